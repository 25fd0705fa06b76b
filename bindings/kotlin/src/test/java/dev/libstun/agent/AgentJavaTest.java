package dev.libstun.agent;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.libstun.Agent;
import dev.libstun.AgentEvent;
import dev.libstun.BindingConfig;
import dev.libstun.Mapped;
import dev.libstun.Output;
import dev.libstun.PowerProfile;
import dev.libstun.ServerConfig;
import dev.libstun.Transmit;
import java.net.InetSocketAddress;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The agent as a program in Java uses it. */
class AgentJavaTest {
    private final InetSocketAddress here = new InetSocketAddress("198.51.100.7", 5000);
    private final InetSocketAddress there = new InetSocketAddress("192.0.2.1", 3478);

    @Test
    void aWholeBindingBetweenTwoAgents() {
        try (Agent client = new Agent(0); Agent server = new Agent(0, new byte[32])) {
            server.startServer(new ServerConfig(), 0);
            client.setPower(PowerProfile.IDLE, 0);
            BindingConfig config = new BindingConfig(there).withLocal(here).withRefresh(Duration.ofSeconds(20));
            long id = client.startBinding(config, 0);
            Transmit request = client.drain().getTransmits().get(0);
            Output answer = server.exchange(request.getBytes(), here, 5, request.getRemote());
            Output output = client.exchange(answer.getTransmits().get(0).getBytes(), there, 10, here);
            AgentEvent event = output.getEvents().get(0);
            assertEquals(id, event.getId());
            Mapped mapped = (Mapped) event.getEvent();
            assertEquals(here, mapped.getAddress());
            assertEquals(10L, mapped.getRttNanos());
            assertTrue(output.getDeadlineNanos() < Output.NEVER);
            client.setRefreshNanos(id, null, 10);
            assertEquals(Output.NEVER, client.drain().getDeadlineNanos());
        }
    }
}
