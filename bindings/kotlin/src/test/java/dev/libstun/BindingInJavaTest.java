package dev.libstun;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The agent as a program in Java sees it. */
@Timeout(60)
class BindingInJavaTest {
    private static final long SECOND = 1_000_000_000L;
    private final InetSocketAddress client = address("198.51.100.7", 5000);
    private final InetSocketAddress server = address("192.0.2.1", 3478);

    private static InetSocketAddress address(String ip, int port) {
        try {
            return new InetSocketAddress(InetAddress.getByName(ip), port);
        } catch (java.net.UnknownHostException error) {
            throw new AssertionError(error);
        }
    }

    @Test
    void aBindingAsksAServerAndReadsItsEvents() {
        try (Agent asking = new Agent(0);
                Agent answering = new Agent(0, new byte[32], 4)) {
            answering.startServer(
                    new ServerConfig().withRealm("example.org", Map.of("alice", "s3cret")).withBudget(false), 0);
            BindingConfig config = new BindingConfig(server)
                    .withLocal(client)
                    .withCredentials(new LongTerm("alice", "s3cret"))
                    .withRefresh(Duration.ofSeconds(20));
            long id = asking.startBinding(config, 0);
            List<AgentEvent> events = exchangeAll(asking, answering, 0);
            assertEquals(1, events.size());
            AgentEvent happened = events.get(0);
            assertEquals(id, happened.getId());
            assertFalse(happened.isLast());
            Mapped mapped = assertInstanceOf(Mapped.class, happened.getEvent());
            assertEquals(client, mapped.getAddress());
            assertEquals(0L, mapped.getRttNanos());
            assertEquals(happened.getText(), happened.toString());

            Output idle = asking.tick(19 * SECOND);
            assertTrue(idle.getTransmits().isEmpty());
            assertEquals(20 * SECOND, idle.getDeadlineNanos());
            assertEquals(WakeReason.REFRESH, idle.getWakeReason());
            assertInstanceOf(
                    Refreshed.class, exchangeAll(asking, answering, 20 * SECOND).get(0).getEvent());

            asking.setRefreshNanos(id, null, 20 * SECOND);
            Output never = asking.drain();
            assertNull(never.getDeadline());
            assertEquals(Output.NEVER, never.getDeadlineNanos());
            asking.cancel(id, 20 * SECOND);
            assertEquals(0, asking.operationCount());
        }
    }

    private List<AgentEvent> exchangeAll(Agent asking, Agent answering, long now) {
        Output output = asking.tick(now);
        while (!output.getTransmits().isEmpty()) {
            Transmit request = output.getTransmits().get(0);
            assertEquals(server, request.getRemote());
            Output answer = answering.exchange(request.getBytes(), client, now, server);
            assertEquals(Outcome.CONSUMED, answer.getOutcome());
            ByteBuffer bytes = ByteBuffer.wrap(answer.getTransmits().get(0).getBytes());
            output = asking.exchange(bytes, server, now, client, Transport.UDP, 0, 0);
        }
        return output.getEvents();
    }

    @Test
    void misuseIsAnExceptionWithACode() {
        Agent agent = new Agent(0);
        StunException refused =
                assertThrows(StunException.class, () -> agent.startBinding(new BindingConfig(server), -1));
        assertEquals(StunErrorCode.INVALID, refused.getCode());
        agent.close();
        agent.close();
        refused = assertThrows(StunException.class, () -> agent.tick(0));
        assertEquals(StunErrorCode.CLOSED, refused.getCode());
    }

    @Test
    void everythingWithADurationHasOneOfJava() {
        try (Agent agent = new Agent(0)) {
            agent.setPower(PowerProfile.IDLE, 0);
            agent.setPower(PowerProfile.of(Duration.ofSeconds(5), null), 0);
            agent.setPacingNanos(SECOND);
            Retransmission once = Retransmission.of(Duration.ofMillis(500), 1, 1, Duration.ofSeconds(5));
            Backoff backoff = Backoff.of(Duration.ofSeconds(1), Duration.ofSeconds(2));
            BindingConfig config =
                    new BindingConfig(server).withRefresh(null).withRetransmission(once).withBackoff(backoff);
            assertNull(config.getRefreshNanos());
            assertEquals(SECOND / 2, config.getRetransmission().getInitialRtoNanos());
            long id = agent.startBinding(config, 0);
            assertEquals(SECOND / 2, agent.drain().getDeadlineNanos());
            AgentEvent failed = agent.tick(SECOND / 2).getEvents().get(0);
            assertEquals(FailureReason.TIMEOUT, ((Failed) failed.getEvent()).getFailure().getReason());
            assertTrue(failed.isLast());
            assertFalse(agent.contains(id));
            SurveyConfig race = new SurveyConfig(List.of(new SurveyTarget(server)))
                    .withEnough(1)
                    .withAttemptDelay(SurveyConfig.attemptDelay())
                    .withDeadline(Duration.ofSeconds(3));
            agent.startSurvey(race, SECOND);
            agent.startAllocation(new AllocationConfig(server).withKeepalive(Duration.ofSeconds(9)), SECOND);
            agent.startNatProbe(new NatConfig(server, client).withDeadline(Duration.ofMinutes(1)), SECOND);
            assertEquals(3, agent.operationCount());
        }
    }

    @Test
    void messagesAreTakenApartAndPutTogether() {
        Key key = Key.longTerm("alice", "example.org", "s3cret");
        byte[] bytes = new MessageBuilder(MessageClass.SUCCESS_RESPONSE, 1)
                .add(Attribute.XOR_MAPPED_ADDRESS, client)
                .build(key);
        assertEquals(Protocol.STUN, Stun.classify(bytes));
        Message message = Message.decode(bytes);
        assertEquals(client, message.getMappedAddress());
        assertEquals(Check.VALID, message.checkIntegrity(key));
        assertEquals(Check.ABSENT, message.checkFingerprint());
        assertFalse(key.toString().contains("s3cret"));
    }
}
