internal import Foundation

/// The longest datagram there is. Nothing longer is copied or handed to the library.
let longestDatagram = 65_535
/// The longest message there is, which only a stream can carry: its header and the longest body (RFC 8489 s5).
let longestMessage = 20 + 65_532

extension [UInt8] {
    /// For the generated layer, which takes `Data`.
    var data: Data { Data(self) }

    /// Lends the bytes as `Data` without a copy. It must not outlive the closure.
    func withData<R>(_ body: (Data) throws -> R) rethrows -> R {
        try withUnsafeBytes { try $0.withData(body) }
    }
}

extension UnsafeRawBufferPointer {
    /// Lends the bytes as `Data` without a copy. It must not outlive the closure.
    func withData<R>(_ body: (Data) throws -> R) rethrows -> R {
        guard let baseAddress, count > 0 else { return try body(Data()) }
        return try body(
            Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: baseAddress), count: count, deallocator: .none))
    }
}

/// Refuses what no datagram has room for.
func refuseHuge(_ count: Int, longest: Int = longestDatagram) throws(StunError) {
    if count > longest { throw .invalid("\(count) bytes are more than \(longest)") }
}
