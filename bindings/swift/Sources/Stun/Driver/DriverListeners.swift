internal import Dispatch

/// Any number of streams of the same elements. It is used on the driver's queue only, but for ``stream(_:)``.
final class DriverListeners<Element: Sendable>: @unchecked Sendable {
    private typealias Stream = AsyncStream<Element>

    private let queue: DispatchQueue
    private var all: [ObjectIdentifier: Listener] = [:]
    private var isFinished = false

    private final class Listener: Sendable {
        let continuation: Stream.Continuation

        init(_ continuation: Stream.Continuation) {
            self.continuation = continuation
        }
    }

    init(queue: DispatchQueue) {
        self.queue = queue
    }

    /// Another stream, of what comes from now on. Any thread may call.
    func stream(_ policy: AsyncStream<Element>.Continuation.BufferingPolicy) -> AsyncStream<Element> {
        let (stream, continuation) = Stream.makeStream(bufferingPolicy: policy)
        let listener = Listener(continuation)
        let number = ObjectIdentifier(listener)
        // Said before anybody can let go of the stream, and so heard; and not before it is in the list.
        continuation.onTermination = { [weak self, queue] _ in
            queue.async { [weak self] in self?.all[number] = nil }
        }
        queue.async { [self] in
            if isFinished { return continuation.finish() }
            all[number] = listener
        }
        return stream
    }

    /// Tells all of them. Says how many there are, and how many of these have missed something.
    func tell(_ element: Element) -> (count: Int, missed: Int) {
        (all.count, all.values.count { $0.continuation.yield(element).isDropped })
    }

    /// Nothing comes any more.
    func finish() {
        isFinished = true
        for listener in all.values { listener.continuation.finish() }
        all = [:]
    }
}
