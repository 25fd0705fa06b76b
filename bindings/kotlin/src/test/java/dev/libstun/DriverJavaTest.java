package dev.libstun;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The driver as a program in Java sees it. */
@Timeout(120)
class DriverJavaTest {
    private final InetSocketAddress anyPort = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private final ExecutorService executor = Executors.newSingleThreadExecutor();
    private Driver server;
    private Driver client;

    @BeforeEach
    void open() throws Exception {
        server = Driver.open(anyPort);
        server.startServer(new ServerConfig());
        client = Driver.open(anyPort, new DriverOptions().withClock(Clock.monotonic()));
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        executor.shutdownNow();
    }

    @Test
    void theAddressComesAsAFuture() throws Exception {
        assertEquals(client.getLocalAddress(), client.mappedAddressAsync(server.getLocalAddress()).get());
        String name = "127.0.0.1:" + server.getLocalAddress().getPort();
        assertEquals(client.getLocalAddress(), client.mappedAddressAsync(name).get());
    }

    @Test
    void aFutureThatIsCancelledOrLateCancelsTheRequest() throws Exception {
        try (DatagramSocket silent = new DatagramSocket(anyPort)) {
            InetSocketAddress address = (InetSocketAddress) silent.getLocalSocketAddress();
            CompletableFuture<InetSocketAddress> late =
                    client.mappedAddressAsync(address).orTimeout(20, TimeUnit.MILLISECONDS);
            assertInstanceOf(TimeoutException.class, assertThrows(ExecutionException.class, late::get).getCause());
            CompletableFuture<InetSocketAddress> cancelled = client.mappedAddressAsync(address);
            assertTrue(cancelled.cancel(true));
            while (client.getOperationCount() > 0) Thread.sleep(2);
        }
    }

    @Test
    void closingEndsAFuture() throws Exception {
        try (DatagramSocket silent = new DatagramSocket(anyPort)) {
            InetSocketAddress address = (InetSocketAddress) silent.getLocalSocketAddress();
            CompletableFuture<InetSocketAddress> waiting = client.mappedAddressAsync(address);
            while (client.getOperationCount() == 0) Thread.sleep(2);
            client.close();
            Throwable cause = assertThrows(ExecutionException.class, waiting::get).getCause();
            assertEquals(StunErrorCode.CLOSED, assertInstanceOf(StunException.class, cause).getCode());
        }
    }

    @Test
    void listenersAreToldEventsAndDatagrams() throws Exception {
        BlockingQueue<AgentEvent> events = new LinkedBlockingQueue<>();
        BlockingQueue<String> datagrams = new LinkedBlockingQueue<>();
        Subscription listening = client.listen(executor, events::add);
        client.listenDatagrams(executor, datagram -> datagrams.add(text(datagram.getBytes())));
        Binding binding = client.startBinding(new BindingConfig(server.getLocalAddress()));
        assertEquals(client.getLocalAddress(), binding.mappedAsync().get());
        Mapped mapped = assertInstanceOf(Mapped.class, events.take().getEvent());
        assertEquals(client.getLocalAddress(), mapped.getAddress());
        try (DatagramSocket peer = new DatagramSocket(anyPort)) {
            peer.send(new DatagramPacket(bytes("hello"), 5, client.getLocalAddress()));
            assertEquals("hello", datagrams.take());
            assertTrue(client.send(bytes("and back"), (InetSocketAddress) peer.getLocalSocketAddress()));
            DatagramPacket packet = new DatagramPacket(new byte[100], 100);
            peer.receive(packet);
            assertEquals("and back", text(packet.getData()).trim());
        }
        listening.close();
        client.networkChanged(List.of());
        binding.close();
        assertFalse(binding.isRunning());
    }

    @Test
    void aRelayIsUsedThroughFutures() throws Exception {
        String[] lines = {"lt-cred-mech", "user=alice:s3cret", "realm=example.test", "allow-loopback-peers"};
        try (Coturn coturn = new Coturn(lines);
                DatagramSocket peer = new DatagramSocket(anyPort)) {
            Relay relay = client.startAllocation(
                    new AllocationConfig(coturn.getAddress())
                            .withCredentials(new LongTerm("alice", "s3cret"))
                            .withPeerPolicy(PeerPolicy.LOOPBACK));
            InetSocketAddress relayed = relay.readyAsync().get();
            BlockingQueue<PeerData> packets = new LinkedBlockingQueue<>();
            relay.listenPackets(executor, packets::add);
            InetSocketAddress to = (InetSocketAddress) peer.getLocalSocketAddress();
            relay.permitAsync(to.getAddress()).get();
            assertTrue(relay.bindChannelAsync(to).get() >= 0x4000);
            relay.send(new byte[] {1, 2, 3}, to);
            DatagramPacket packet = new DatagramPacket(new byte[100], 100);
            peer.receive(packet);
            assertEquals(3, packet.getLength());
            peer.send(new DatagramPacket(new byte[] {9}, 1, relayed));
            assertEquals(to, packets.take().getPeer());
            relay.releaseAsync().get();
            assertInstanceOf(Closed.class, relay.finishedAsync().get().getEvent());
        }
    }

    @Test
    void aSocketSetupMayRaiseWhatSocketsDo() {
        SocketSetup setup = channel -> {
            throw new IOException("no such network");
        };
        DriverOptions options = new DriverOptions().withSocketSetup(setup);
        assertThrows(IOException.class, () -> Driver.open(anyPort, options).close());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
