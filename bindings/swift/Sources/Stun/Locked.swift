internal import Foundation

/// A value that is only read and changed under its lock. What leaves it has to be safe without.
final class Locked<Value>: @unchecked Sendable {
    // Sendable, because nothing gets at the value but under the lock. (Mutex of Synchronization needs newer systems.)
    private let lock = NSLock()
    private var value: Value

    init(_ value: sending Value) {
        self.value = value
    }

    func withLock<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
