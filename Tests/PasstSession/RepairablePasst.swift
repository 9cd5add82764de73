// A real passt as net.rst starts it for a migration, with its helper connected.

import CLinux
import Glibc
import Linux
import TestSupport

/// Which program switches TCP_REPAIR for passt.
public enum RepairProgram: String, Sendable, CaseIterable {
    case netemuRepair = "netemu-repair"
    case passtRepair = "passt-repair"

    public var peer: Peer { self == .netemuRepair ? Peers.built("netemu-repair") : Peers.passtRepair }
}

/// passt with `--vhost-user --socket --repair-path` and nothing else that changes what it does.
public final class RepairablePasst {
    public let name: String
    public let passt: Child
    public private(set) var helper: Child
    private let program: RepairProgram
    private let repairPath: String
    /// Of the vhost-user socket.
    public let path: String

    /// - Parameter more: words of passt's that come behind.
    public init(
        _ name: String, in namespace: Namespace, _ directory: TemporaryDirectory, helpedBy program: RepairProgram,
        more: [String] = []
    ) throws {
        (self.name, self.program) = (name, program)
        path = "\(directory.path)/\(name).socket"
        let pidFile = "\(directory.path)/\(name).pid"
        repairPath = "\(directory.path)/\(name).repair"
        passt = try namespace.start(
            [
                try Peers.passt.require(), "-f", "--pid", pidFile, "--vhost-user", "--socket", path, "--repair-path",
                repairPath,
            ] + more)
        let deadline = ne_monotonic_ns() + 20_000_000_000
        while (textOfFile(pidFile) ?? "").isEmpty {
            guard passt.status == nil, ne_monotonic_ns() < deadline else {
                throw TestFailure(description: "passt is not ready\n\(passt.transcript)")
            }
            usleep(1000)
        }
        helper = try namespace.start([try program.peer.require(), repairPath])
        try Self.waitForConversation(of: helper, passt: passt)
    }

    /// Another helper, in place of one that has served a migration and ended.
    public func helpAgain(in namespace: Namespace) throws {
        namespace.end(helper)
        helper = try namespace.start([try program.peer.require(), repairPath])
        try Self.waitForConversation(of: helper, passt: passt)
    }

    /// Ends both.
    public func end(in namespace: Namespace) { for child in [passt, helper] { namespace.end(child) } }

    /// What passt and its helper have said.
    public var log: String {
        "\(name): \(passt.status.map { "passt ended: \($0)" } ?? "passt runs")\n\(passt.transcript)\n\(helper.transcript)"
    }

    func connect() throws -> FileDescriptor { try UnixSocket.connect(to: path) }

    /// A helper waits in a read of its connected socket; passt accepts it within its next turn.
    private static func waitForConversation(of helper: Child, passt: Child) throws {
        for _ in 0..<2000 {
            guard helper.status == nil else { throw TestFailure(description: "no helper\n\(helper.transcript)") }
            let wait = textOfFile("/proc/\(helper.pid)/wchan") ?? ""
            let name = textOfFile("/proc/\(helper.pid)/comm") ?? ""
            if name.contains("repair"), wait.contains("unix_stream") || wait.contains("poll") { break }
            usleep(1000)
        }
        usleep(50_000)
    }
}
