// A small network of namespaces in one single-threaded process: a socket stays in the namespace in
// which it was made, so one process can hold both ends of a connection and move one of them.
//
//      peer: br0 10.1.0.2, fd00:1::2 ──┬── va ── a: eth0
//                                      └── vb ── b: eth0      the shared address 10.1.0.1, fd00:1::1
//                                                             lives on one of a and b

import CLinux
import Glibc
import Linux

struct LabFailure: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}

func require(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw LabFailure(text()) }
}

/// A network namespace, entered by `enter`.
final class Namespace {
    let name: String
    private let descriptor: FileDescriptor

    init(_ name: String) throws {
        self.name = name
        _ = try check(ne_unshare_network(), "unshare", name)
        descriptor = FileDescriptor(owning: try check(ne_open("/proc/self/ns/net", O_RDONLY, 0), "open", name))
        try run("ip", "link", "set", "lo", "up")
    }

    var path: String { "/proc/\(getpid())/fd/\(descriptor.raw)" }

    func enter() throws { _ = try check(ne_enter_network(descriptor.raw), "setns", name) }
}

/// Runs a program in the current namespace; its failure is ours.
func run(_ words: String...) throws {
    var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    argv.append(nil)
    defer { for word in argv { free(word) } }
    var pid = pid_t()
    guard posix_spawnp(&pid, words[0], nil, nil, argv, environ) == 0 else {
        throw LabFailure("cannot start \(words[0])")
    }
    var status: CInt = 0
    waitpid(pid, &status, 0)
    try require(status == 0, "\(words.joined(separator: " ")): status \(status)")
}

func setting(_ name: String, _ value: String) throws {
    let fd = FileDescriptor(owning: try check(ne_open("/proc/sys/net/\(name)", O_WRONLY, 0), "open", name))
    try require(write(fd.raw, value, value.utf8.count) == value.utf8.count, "\(name) = \(value)")
}

/// The peer and the two places between which a connection moves.
final class Network {
    let peer: Namespace
    let a: Namespace
    let b: Namespace
    private(set) var place: Namespace

    init(settings: [(String, String)] = []) throws {
        peer = try Namespace("peer")
        a = try Namespace("a")
        b = try Namespace("b")
        place = a
        try peer.enter()
        try run("ip", "link", "add", "br0", "type", "bridge")
        for (end, space) in [("va", a), ("vb", b)] {
            try run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", space.path)
            try run("ip", "link", "set", end, "master", "br0", "up")
        }
        try run("ip", "address", "add", "10.1.0.2/24", "dev", "br0")
        try run("ip", "address", "add", "fd00:1::2/64", "dev", "br0", "nodad")
        try run("ip", "link", "set", "br0", "up")
        for space in [a, b] {
            try space.enter()
            try run("ip", "link", "set", "eth0", "up")
        }
        for space in [peer, a, b] {
            try space.enter()
            for (name, value) in settings { try setting(name, value) }
        }
        try address("add", on: a)
    }

    private func address(_ verb: String, on space: Namespace) throws {
        try space.enter()
        try run("ip", "address", verb, "10.1.0.1/24", "dev", "eth0")
        if verb == "add" {
            try run("ip", "address", verb, "fd00:1::1/64", "dev", "eth0", "nodad")
        } else {
            try run("ip", "address", verb, "fd00:1::1/64", "dev", "eth0")
        }
    }

    /// Moves the shared address to the other place, as an orchestrator does with a migrated machine. `restore` puts the
    /// connections up there before a packet can come: a kernel that has the address and not the connection answers what
    /// the peer sends again with RST.
    func move<R: ~Copyable>(_ restore: () throws -> R) throws -> R {
        let (source, target) = (place, place === a ? b : a)
        try address("add", on: target)
        let restored = try restore()
        try address("del", on: source)
        place = target
        try peer.enter()
        try run("ip", "neighbour", "flush", "dev", "br0")
        try place.enter()
        return restored
    }

    /// From now on what `place` sends does not arrive; what the peer sends does.
    func silencePlace() throws {
        try place.enter()
        for address in ["10.1.0.2", "fd00:1::2"] {
            try run(
                "ip", "neighbour", "replace", address, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent")
        }
    }
}
