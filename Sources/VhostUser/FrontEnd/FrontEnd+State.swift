// The state of a back-end as bytes: asked for when its rings have stopped, given to another one before they start. A
// process that uses this has to ignore SIGPIPE, as every one does that writes to pipes.

import Linux

extension FrontEnd {
    /// Whether the back-end has a state that can be moved; false before the handshake.
    public var hasState: Bool { protocolFeatures.contains(.deviceState) }

    /// Asks the back-end for its state, while its rings do not run. `done` is called at the end of a turn, within
    /// `stateDeadline`: with nil when the back-end has no state.
    public func saveState(_ done: @escaping (Result<[UInt8]?, VhostUserError>) -> Void) {
        move(.save, []) { outcome, bytes in
            switch outcome {
            case .moved: done(.success(bytes))
            case .hasNone: done(.success(nil))
            case .failed(let error): done(.failure(error))
            }
        }
    }

    /// Gives a state to the back-end, before its rings start; it need not know features or memory. `done` is called at
    /// the end of a turn, within `stateDeadline`: with false when the back-end takes no state.
    public func loadState(_ state: [UInt8], _ done: @escaping (Result<Bool, VhostUserError>) -> Void) {
        move(.load, state) { outcome, _ in
            switch outcome {
            case .moved: done(.success(true))
            case .hasNone: done(.success(false))
            case .failed(let error): done(.failure(error))
            }
        }
    }

    private func move(
        _ direction: StateTransfer, _ bytes: [UInt8], _ done: @escaping (StateOutcome, [UInt8]) -> Void
    ) {
        let limit = machine.options.stateLimit
        guard bytes.count <= limit else { return finish(.failed(.stateTooLarge(limit: limit)), done) }
        do throws(SystemError) {
            let pipe = try Pipe()
            let (ours, theirs) = direction == .save ? (pipe.reading, pipe.writing) : (pipe.writing, pipe.reading)
            // Back-ends read and write it as they please, and most of them wait.
            try StateCarrier.setBlocking(theirs, true)
            carry(StateCarrier(direction, bytes, through: ours, limit: limit, on: reactor), theirs, done)
        } catch { finish(.failed(.system(error)), done) }
    }

    private func carry(
        _ carrier: StateCarrier, _ theirs: SharedDescriptor, _ done: @escaping (StateOutcome, [UInt8]) -> Void
    ) {
        if let refusal = machine.move(carrier.direction, through: Attachment(theirs), now: now) {
            return finish(refusal, done)
        }
        carrier.completion = done
        carrier.onEnd = { [weak self] in self?.stateEnded($0) }
        self.carrier = carrier
        perform()
    }

    private func finish(_ outcome: StateOutcome, _ done: @escaping (StateOutcome, [UInt8]) -> Void) {
        reactor.atEndOfTurn { done(outcome, []) }
    }

    private func stateEnded(_ end: StateCarrier.End) {
        switch end {
        case .bytes(let isWhole): machine.stateBytesEnded(isWhole: isWhole, now: now)
        case .failed(let error): machine.fail(error)
        }
        perform()
    }

    /// The machine's word that a state has been moved, or has not.
    func stateMoved(_ outcome: StateOutcome) {
        guard let carrier else { return }
        self.carrier = nil
        carrier.close()
        reactor.atEndOfTurn { carrier.completion?(outcome, carrier.bytes) }
    }
}
