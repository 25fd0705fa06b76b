internal import Dispatch

// How callers of a driver wait.

extension Driver {
    /// Waits until `check`, which is asked whenever something has happened to the operation, gives something or throws.
    func until<T>(_ record: OperationRecord, _ check: (OperationRecord) throws -> T?) async throws -> T {
        while true {
            if let found = try check(record) { return found }
            try await change(of: record)
        }
    }

    private func change(of record: OperationRecord) async throws {
        let ticket = core.ticket()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { core.wait(ticket, for: record, $0) }
        } onCancel: {
            // On the queue, and so not before the continuation is there.
            core.queue.async { [core] in core.giveUp(ticket) }
        }
    }

    /// Waits for a look-up, which nothing can interrupt, at most until the driver closes or the task is cancelled.
    func lookUp(_ name: ServerName) async throws -> [SocketAddress] {
        // It waits as others wait for an operation, which ends with the driver.
        let lookUp = core.beginLookUp()
        let found = Locked<Result<[SocketAddress], SystemError>?>(nil)
        DispatchQueue.global().async { [core] in
            let result = Result { () throws(SystemError) in try name.lookUp() }
            found.withLock { $0 = result }
            core.queue.async { core.endLookUp(lookUp) }
        }
        defer { core.endLookUp(lookUp) }
        return try await until(lookUp) { lookUp in
            if let result = found.withLock({ $0 }) { return try result.get() }
            return try lookUp.nothingYet()
        }
    }
}

extension OperationRecord {
    /// The public address, or why there is none.
    func mapped() throws -> SocketAddress? {
        if let address { return address }
        if let failure { throw OperationFailedError(failure: failure) }
        return try nothingYet()
    }

    /// Nothing yet, or why nothing can come.
    func nothingYet<T>() throws -> T? {
        if let end { throw end }
        if last != nil { throw StunError(.state, "the operation has ended") }
        return nil
    }
}
