// What became of passt's connections: how many its state has, and which of them the kernel has again when it was
// loaded. passt answers "all is well" also when it could not put a connection up.

import Linux
import PasstLauncher
import VhostUser

extension ConnectionReport {
    /// More of them are not looked for one by one: the guest waits meanwhile.
    private static let lookLimit = 4096

    /// - Parameters:
    ///   - state: that was given to passt.
    ///   - loaded: its answer; false when it takes no state.
    ///   - problem: why there was no repair helper.
    init(of state: NetdevState, loaded: Result<Bool, VhostUserError>, problem: String?) {
        let flows = Self.flows(state)
        had = flows?.count
        switch loaded {
        case .success(true): moved = flows.map { $0.count { !$0.isSkipped } }
        case .success(false): lose(flows, "the back-end takes no state")
        case .failure(let error): lose(flows, problem.map { "no repair helper (\($0))" } ?? "\(error)")
        }
        lost += (moved ?? 0) == 0 ? [] : Self.lines(flows?.filter(\.isSkipped), "the source could not read its socket")
    }

    /// Whether a helper is of any use: what cannot be read may have connections.
    static func wantsHelper(_ state: NetdevState) -> Bool {
        !state.bytes.isEmpty && flows(state)?.isEmpty != true
    }

    /// Asks the kernel which connections are there. Only where passt is in this network namespace.
    mutating func lookForLost(in state: NetdevState) {
        guard moved ?? 0 > 0, let flows = Self.flows(state), flows.count <= Self.lookLimit else { return }
        do throws(SystemError) {
            let kernel = try SocketDiagnosis()
            var missing: [PasstFlow] = []
            for flow in flows where !flow.isSkipped {
                if try !kernel.hasConnection(flow.local, flow.remote) { missing.append(flow) }
            }
            moved = flows.count { !$0.isSkipped } - missing.count
            lost += Self.lines(missing, "passt could not put it up again")
        } catch {
            moved = nil
        }
    }

    private mutating func lose(_ flows: [PasstFlow]?, _ why: String) {
        moved = flows.map { _ in 0 }
        lost = flows.map { Self.lines($0, why) } ?? [why]
    }

    private static func lines(_ flows: [PasstFlow]?, _ why: String) -> [String] {
        flows?.map { "\($0): \(why)" } ?? []
    }

    private static func flows(_ state: NetdevState) -> [PasstFlow]? { try? PasstState(state.bytes).flows }
}
