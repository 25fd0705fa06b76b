/* Expected to fail under AddressSanitizer: reads data of a peer out of a connection that is gone. */

#include "../turn.h"

int main(void)
{
    stun_agent *agent = new_agent(1, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_allocation_config config = allocation_config();
    stun_packet path = packet_of(client_addr(), server_addr(), NULL, 0), packet, app;
    stun_addr peer = peer_addr();
    uint8_t bytes[256];
    uint64_t stream = 0, id;
    size_t len, taken;
    path.transport = STUN_TCP;
    config.transport = STUN_TCP;
    stun_stream_open(agent, &path, 0, &stream);
    id = start_allocation(agent, &config);
    stun_allocation_bind_channel(agent, id, &peer, 0);
    while (stun_poll_transmit(agent, &packet) == STUN_OK) {
        len = turn_answer(&server, &packet, bytes, sizeof bytes);
        stun_handle_stream(agent, stream, bytes, len, 0);
    }
    stun_channel_data_write(bytes, sizeof bytes, server.channel, (const uint8_t *)"data", 4, 1, &len);
    if (stun_unwrap_stream(agent, stream, bytes, len, 0, &taken, &app) != STUN_APP_DATA) return 0;
    stun_cancel(agent, stream, 0);
    printf("%c\n", app.data[0]);
    stun_agent_free(agent);
    return 0;
}
