// Scripts of a node: when one starts, what it may wait for. A pipe at the console is read like
// a script, so its first command waits for the addresses, too.

import Bytes
import NetStack

/// What a script may wait for.
public struct ScriptLimits: Equatable, Sendable {
    /// How long the NICs are waited for; without an address the script starts then in any case.
    public var wait = Interval.seconds(5)
    /// Without an address the script is not run, and its status is 123.
    public var needsAddress = false

    /// Five seconds for an address, which need not come.
    public init() {}
}

/// A script that waits until the NICs have their addresses.
struct PendingScript {
    var text: String
    var limits: ScriptLimits
    /// When it starts in any case; set in the first turn.
    var deadline: Instant?
}

/// Whether the first command of a pipe waits for an address.
enum ConsoleHold {
    case none
    case until(Instant)
    case over

    var deadline: Instant? { if case .until(let deadline) = self { deadline } else { nil } }
}

extension Node {
    /// Runs `text` when every NIC has its address, or when `limits` say so. The exit status is the last
    /// command's, in `script.exitStatus` when it is over.
    @discardableResult
    public func run(script text: String, limits: ScriptLimits = ScriptLimits()) -> Session {
        let session = newScript()
        script = session
        pendingScript = PendingScript(text: text, limits: limits)
        onWork?()
        return session
    }

    func newScript() -> Session {
        let session = Session(.script, host: host, files: configuration.files)
        session.onWork = { [weak self] in self?.onWork?() }
        return session
    }

    func startScript(_ now: Instant) {
        guard var pending = pendingScript, let script else { return }
        let deadline = pending.deadline ?? now + pending.limits.wait
        pending.deadline = deadline
        pendingScript = pending
        guard isAddressed || now >= deadline else { return }
        pendingScript = nil
        if !isAddressed { tellMissingAddress(pending.limits) }
        if !isAddressed, pending.limits.needsAddress { return script.end(status: ExitStatus.noAddress, now: now) }
        script.run(pending.text)
    }

    /// Ends a script that has had its time, also one that still waits for an address, as Ctrl-C does; its status is 124,
    /// as timeout(1) has it. How long that is, whoever turns the node knows.
    public func endScript(now: Instant) {
        pendingScript = nil
        script?.end(status: ExitStatus.timedOut, now: now)
    }

    /// The first command of a pipe waits like a script.
    func isConsoleHeld(_ now: Instant) -> Bool {
        guard !console.isInteractive, console.hasCommand else { return false }
        switch consoleHold {
        case .over: return false
        case .none: consoleHold = .until(now + ScriptLimits().wait)
        case .until: break
        }
        if let deadline = consoleHold.deadline, !isAddressed, now < deadline { return true }
        if !isAddressed { tellMissingAddress(ScriptLimits()) }
        consoleHold = .over
        return false
    }

    private func tellMissingAddress(_ limits: ScriptLimits) {
        guard limits.wait > .zero else { return }
        let entries = host.interfaces()
        let names = interfaces.filter { interface in
            entries.contains { $0.id == interface.id && $0.addresses.isEmpty }
        }.map(\.name)
        let next = limits.needsAddress ? "the script is not run" : "going on without"
        let seconds = limits.wait.nanoseconds / 1_000_000_000
        onNotice?("\(names.joined(separator: ", ")): no address within \(seconds) s; \(next)")
    }
}
