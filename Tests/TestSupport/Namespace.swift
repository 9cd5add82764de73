// A network namespace of its own for a test: a dummy interface (a veth pair where the kernel has no dummy) with
// documentation addresses (RFC 5737, RFC 3849), a default route, ping allowed. It lives as long as one small
// process (cat on a pipe); when that and the programs inside have ended, the kernel removes it.

import Glibc

/// Who runs the programs of a test.
public enum Privilege: String, Sendable, CaseIterable, CustomStringConvertible {
    /// The real root, in a network namespace.
    case root
    /// The user's own id mapped to root in a user namespace (`unshare -Urn`).
    case mapped
    /// An id without any capability (65534), in a network namespace that root made.
    case plain

    public var description: String { rawValue }

    /// `root` and `plain` need the real root to make them.
    public static var available: [Privilege] { geteuid() == 0 ? allCases : [.mapped] }
}

/// Addresses inside a namespace.
public enum NamespaceAddress {
    public static let host4 = "198.51.100.2"
    public static let gateway4 = "198.51.100.1"
    public static let host6 = "2001:db8:5::2"
    public static let gateway6 = "2001:db8:5::1"
}

/// The gateway, which passt maps to the host's loopback, where host-peer listens.
public let gateway = NamespaceAddress.gateway4

/// A network namespace and the programs that a test started in it.
public final class Namespace {
    public let privilege: Privilege
    private let holder: Child
    /// A plain user, and who root becomes, sees the checkout through a mount namespace.
    private let hasOwnMounts: Bool
    private var children: [Child] = []

    /// - Throws: when the kernel or a missing program (unshare, ip) does not let one be made.
    public init(as privilege: Privilege) throws {
        self.privilege = privilege
        let reach = privilege == .mapped ? "" : Reachability.script
        hasOwnMounts = !reach.isEmpty
        var command = privilege == .mapped ? ["unshare", "-Urn"] : ["unshare", "-n"] + (hasOwnMounts ? ["-m"] : [])
        command += ["setpriv", "--pdeathsig", "KILL", "sh", "-c", "set -e\n" + reach + Self.script, "sh"]
        command.append(privilege == .mapped ? "0 0" : "0 2147483647")
        holder = try Child(Self.resolve(command), input: .pipe)
        try holder.wait(for: "namespace is ready")
    }

    deinit { end() }

    /// The pid whose /proc entries show this namespace.
    public var holderPID: pid_t { holder.pid }

    /// Starts a program here; it is ended when the namespace is.
    /// - Parameter arguments: `arguments[0]` is a path, or a name to be found on PATH.
    public func start(
        _ arguments: [String], input: ChildInput = .null, directory: String? = nil, environment: [String: String] = [:]
    ) throws -> Child {
        var command = ["nsenter", "-t", String(holder.pid), "-n"]
        if hasOwnMounts { command += ["-m"] }
        if privilege == .mapped { command += ["-U", "--preserve-credentials"] }
        command += ["setpriv"]
        if privilege == .plain {
            command += ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
        }
        command += ["--pdeathsig", "KILL"]
        if let directory { command += ["/usr/bin/env", "-C", directory] }
        let child = try Child(
            Self.resolve(command) + Self.resolve(arguments), input: input, environment: environment)
        children.append(child)
        return child
    }

    /// Ends a program that was started here, and keeps nothing of it.
    public func end(_ child: Child) {
        child.end()
        children.removeAll { $0 === child }
    }

    /// Runs a program here to its end.
    public func run(_ arguments: [String], seconds: Double = 20) throws -> (status: ExitStatus, child: Child) {
        let child = try start(arguments)
        return (try child.wait(seconds: seconds), child)
    }

    /// The processes in this namespace besides the holder, as `PID name`. Without root, those that hide from
    /// their own user (passt in its sandbox) are not seen.
    public var processes: [String] {
        let own = target(of: "/proc/\(holder.pid)/ns/net")
        return names(in: "/proc").filter { $0.first?.isNumber == true && $0 != String(holder.pid) }
            .filter { own != nil && target(of: "/proc/\($0)/ns/net") == own }
            .map { "\($0) \((textOfFile("/proc/\($0)/comm") ?? "?").filter { $0 != "\n" })" }
    }

    /// Waits until nothing but the holder is left; false after `seconds`.
    public func isEmpty(within seconds: Double) -> Bool {
        for _ in 0..<max(1, Int(seconds * 100)) where !processes.isEmpty { usleep(10_000) }
        return processes.isEmpty
    }

    /// Ends what still runs, last first, then the namespace.
    public func end() {
        for child in children.reversed() { child.end() }
        children = []
        holder.end()
    }

    private static func resolve(_ command: [String]) -> [String] {
        guard let name = command.first, !name.hasPrefix("/") else { return command }
        return [Peers.system(name).path ?? name] + command.dropFirst()
    }

    /// $1 is the value for ping_group_range. An old iproute2 and a kernel without IPv6 are no reason to fail.
    private static let script = """
        PATH=$PATH:/usr/sbin:/sbin
        ip link set lo up
        ip link add host0 type dummy 2>/dev/null || ip link add host0 type veth peer name wire0
        ip link set wire0 up 2>/dev/null || true
        ip addr add 198.51.100.2/24 dev host0
        ip link set host0 up
        ip route add default via 198.51.100.1
        if [ -d /proc/sys/net/ipv6 ]; then
            ip -6 addr add 2001:db8:5::2/64 dev host0 nodad
            ip -6 route add default via 2001:db8:5::1 dev host0
        fi
        echo "$1" >/proc/sys/net/ipv4/ping_group_range
        echo namespace is ready
        exec cat
        """
}

/// Makes a namespace, gives it to `body` and ends everything in it, also when `body` throws.
public func withNamespace<R>(as privilege: Privilege, _ body: (Namespace) throws -> R) throws -> R {
    let namespace = try Namespace(as: privilege)
    defer { namespace.end() }
    return try body(namespace)
}

private func target(of link: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 256)
    let count = readlink(link, &buffer, buffer.count)
    guard count > 0 else { return nil }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
