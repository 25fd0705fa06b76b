import Stun
import XCTest

final class BindingTests: XCTestCase {
    func testABindingAsksAtOnce() throws {
        let agent = try Agent(now: Timestamp(nanoseconds: 1))
        XCTAssertEqual(try agent.operationCount, 0)
    }
}
