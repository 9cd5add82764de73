// What bad input gets: one clear line, status 1 (125 where a script was to run), nothing left behind.

import Glibc
import TestSupport
import Testing

/// A command line and what must stand in its one line.
struct BadInput: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: [String]
    let says: [String]
    /// What stands in for passt, in the shell's language: `{fake}` is its path.
    var fake = ""
    var testDescription: String { name }

    static let nic = ["-nic", "passt,model=virtio,vhost-user=on,path={passt}"]

    static let table: [BadInput] = [
        BadInput(
            name: "a passt that is not there", arguments: ["-nic", "passt,vhost-user=on,path=/nonexistent/passt"],
            says: ["/nonexistent/passt"]),
        BadInput(
            name: "a passt that dies at start", arguments: ["-nic", "passt,vhost-user=on,path=/bin/false"],
            says: ["passt"]),
        BadInput(
            name: "a passt that ends well but never is ready",
            arguments: ["-nic", "passt,vhost-user=on,path=/bin/true"], says: ["passt"]),
        BadInput(
            name: "a passt that refuses its options", arguments: [nic[0], nic[1] + ",mtu=70000"], says: ["70000"]),
        BadInput(name: "-m 0", arguments: nic + ["-m", "0"], says: ["-m 0"]),
        BadInput(name: "-m 1T", arguments: nic + ["-m", "1T"], says: ["-m 1T"]),
        BadInput(
            name: "duplicate ids",
            arguments: [
                "-netdev", "passt,vhost-user=on,id=a", "-netdev", "passt,vhost-user=on,id=a", "-device",
                "virtio-net,netdev=a",
            ], says: ["'a'"]),
        BadInput(
            name: "a netdev used twice",
            arguments: [
                "-netdev", "passt,vhost-user=on,id=a", "-device", "virtio-net,netdev=a", "-device",
                "virtio-net,netdev=a",
            ], says: ["'a'"]),
        BadInput(name: "an unknown option", arguments: ["-netdevv", "passt"], says: ["-netdevv", "invalid option"]),
        BadInput(name: "an unknown key", arguments: ["-nic", "passt,vhost-user=on,mtuu=3"], says: ["mtuu"]),
        BadInput(name: "no network option", arguments: [], says: ["-nic passt"]),
        BadInput(name: "what does not exist yet", arguments: ["-nic", "user"], says: ["user", "yet"]),
        BadInput(
            name: "a passt that is too old for vhost-user", arguments: ["-nic", "passt,vhost-user=on,path={fake}"],
            says: ["knows no vhost-user"], fake: "echo \"passt: unrecognized option '$1'\" >&2; exit 1"),
        BadInput(
            name: "a passt that prints nonsense", arguments: ["-nic", "passt,vhost-user=on,path={fake}"],
            says: ["passt"], fake: "head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&2; exit 3"),
        BadInput(
            name: "a passt that hangs", arguments: ["-nic", "passt,vhost-user=on,path={fake}"], says: ["passt"],
            fake: "exec sleep 1000"),
        BadInput(
            name: "a memory object of another size",
            arguments: nic + [
                "-m", "128M", "-object", "memory-backend-memfd,id=m0,share=on,size=64M", "-numa", "node,memdev=m0",
            ], says: ["64", "128"].map { _ in "memory" }),
    ]
}

@Suite("what bad input gets")
struct BadInputTests {
    @Test("one line and status 1", arguments: BadInput.table)
    func refused(row: BadInput) throws {
        try expectRefusal(row, arguments: row.arguments, status: 1)
    }

    @Test("status 125 where a script was to run", arguments: BadInput.table)
    func refusedWithScript(row: BadInput) throws {
        try expectRefusal(row, arguments: row.arguments + ["-guest", "node,run=true"], status: 125)
    }

    @Test("a run-time directory that cannot be made")
    func noRuntimeDirectory() throws {
        try withGround(as: .mapped) { ground in
            let program = try Peers.built("netemu").require()
            let netemu = try ground.namespace.start(
                [
                    "unshare", "-m", "sh", "-c",
                    "mount --rbind /tmp /tmp && mount -o remount,bind,ro /tmp && exec \"$@\"", "sh", program,
                    "-nic", "passt,vhost-user=on,path=\(ground.passt)",
                ], environment: ["XDG_RUNTIME_DIR": "/proc/nowhere", "TMPDIR": "/proc/nowhere"])
            #expect(try netemu.wait() == .exited(1), "\(netemu.transcript)")
            #expect(netemu.errors.hasPrefix("netemu: ") && netemu.errors.contains("/tmp/"), "\(netemu.errors)")
        }
    }

    private func expectRefusal(_ row: BadInput, arguments: [String], status: Int32) throws {
        try withGround(as: .mapped) { ground in
            let fake = row.fake.isEmpty ? "" : ground.script("fake", row.fake)
            let words = arguments.map { $0.hasSuffix("{fake}") ? String($0.dropLast(6)) + fake : $0 }
            let netemu = try ground.start(words)
            #expect(try netemu.wait() == .exited(status), "\(netemu.transcript)")
            // What passt itself said may stand before netemu's own line.
            let lines = netemu.errors.split(separator: "\n").filter { !$0.hasPrefix("passt[") }
            #expect(lines.first?.hasPrefix("netemu: ") == true, "\(netemu.errors)")
            for word in row.says { #expect(netemu.errors.contains(word), "\(netemu.errors)") }
            #expect(netemu.output == "")
            #expect(ground.leftovers == [])
            ground.peer.end()
            #expect(ground.namespace.isEmpty(within: 20), "\(ground.namespace.processes)")
        }
    }
}
