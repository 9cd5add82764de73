// What became of passt's connections: how many its state has, and which of them the kernel has again when it was
// loaded. passt answers "all is well" also when it could not put a connection up.

import Linux
import PasstLauncher
import VhostUser

extension ConnectionReport {
    /// More of them are not looked for one by one: the guest waits meanwhile.
    fileprivate static let lookLimit = 4096

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
    /// - Parameter before: who had their ends before the state was loaded.
    mutating func lookForLost(in state: NetdevState, before: ConnectionSights) {
        guard moved ?? 0 > 0, let flows = Self.flows(state), flows.count <= Self.lookLimit else { return }
        do throws(SystemError) {
            let kernel = try SocketDiagnosis()
            var missing: [String] = []
            for flow in flows where !flow.isSkipped {
                if let why = try before.loss(of: flow, kernel) { missing.append("\(flow): \(why)") }
            }
            moved = flows.count { !$0.isSkipped } - missing.count
            lost += missing
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

    fileprivate static func flows(_ state: NetdevState) -> [PasstFlow]? { try? PasstState(state.bytes).flows }
}

/// Sockets that had the ends of connections before those were put up.
struct ConnectionSights {
    private var inodes: [PasstFlow: UInt32] = [:]

    /// Asks the kernel about every connection of a state.
    init(of state: NetdevState) {
        guard let flows = ConnectionReport.flows(state), !flows.isEmpty, flows.count <= ConnectionReport.lookLimit,
            let kernel = try? SocketDiagnosis()
        else { return }
        for flow in flows where !flow.isSkipped { inodes[flow] = try? kernel.connection(flow.local, flow.remote) }
    }

    /// Why a connection is not there; nil when it is. passt itself says nothing of one that it could not put up.
    fileprivate func loss(of flow: PasstFlow, _ kernel: borrowing SocketDiagnosis) throws(SystemError) -> String? {
        guard let inode = try kernel.connection(flow.local, flow.remote) else {
            return flow.local.isHere
                ? "passt could not put it up again" : "\(flow.local.host) is no address of this host"
        }
        return inode == inodes[flow] ? "another socket of this host has \(flow.local) and its peer" : nil
    }
}
