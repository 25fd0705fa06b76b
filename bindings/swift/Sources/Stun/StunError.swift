public import Foundation
internal import StunRaw

/// A call was refused, and nothing has changed; what has changed is only unknown with ``Code/internal``.
///
/// Only misuse is refused: what arrives from the network is never an error.
public struct StunError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of misuse it was.
    public enum Code: Int32, Sendable, CaseIterable {
        /// An argument has an impossible value.
        case invalid = -2
        /// The call does not fit what came before it.
        case state = -3
        /// A message would not fit where it has to go.
        case buffer = -4
        /// No operation has that id.
        case notFound = -5
        /// There would be more of something than there may be.
        case limit = -6
        /// The operating system gave no random bytes.
        case entropy = -7
        /// The agent was closed.
        case closed = -9
        /// A bug in the library was caught. Close the agent.
        case `internal` = -100
        /// An earlier call was caught in a bug. Close the agent, and make another.
        case poisoned = -101
    }

    /// What kind of misuse it was.
    public let code: Code
    /// One sentence for people.
    public let reason: String

    /// An error with a kind and a sentence for people.
    ///
    /// - Parameters:
    ///   - code: what kind it is.
    ///   - reason: one sentence.
    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The sentence for people.
    public var description: String { reason }

    static let closed = StunError(.closed, "the agent is closed")
    static let broken = StunError(.internal, "a bug in libstun was caught: a buffer of its own is broken")

    static func invalid(_ reason: String) -> StunError { StunError(.invalid, reason) }

    /// What the library has thrown. A code that is unknown here can only come of a bug.
    init(_ error: any Error) {
        switch error {
        case let error as StunError: self = error
        case let Refusal.Refused(code, reason): self.init(Code(rawValue: code) ?? .internal, reason)
        default: self.init(.internal, "a bug in libstun was caught: \(error)")
        }
    }
}

// Without it the system's dialogues and `localizedDescription` would say no more than a number.
extension StunError: LocalizedError {
    /// The sentence for people; it is in English everywhere.
    public var errorDescription: String? { reason }
}

/// Calls the library, and lets out nothing but ``StunError``.
func refusing<R>(_ body: () throws -> R) throws(StunError) -> R {
    do {
        return try body()
    } catch {
        throw StunError(error)
    }
}
