// A guest moves to a netemu in another network namespace, which is as good as another host: -migrate-hook moves the address
// of its connections. Both namespaces hang on a bridge in a third one, where the peer is.

import Glibc
import TestSupport
import Testing

/// Two network namespaces on a bridge in a test's own one.
private final class Bridge {
    static let peer = "203.0.113.7"
    let ground: Ground
    private let holders: [Child]
    private var consoles = 0
    /// What hooks have been called for, a line each.
    let calls: String

    init(_ ground: Ground) throws {
        self.ground = ground
        calls = "\(ground.directory.path)/calls"
        holders = try (0..<2).map { _ in
            let holder = try ground.namespace.start(
                ["unshare", "-n", "sh", "-c", "echo apart; exec cat"], input: .pipe)
            try holder.wait(for: "apart")
            return holder
        }
        let made = try ground.namespace.run([
            "sh", "-c", Self.script, "sh", "\(holders[0].pid)", "\(holders[1].pid)",
        ])
        guard made.status == .exited(0) else { throw TestFailure(description: made.child.transcript) }
    }

    private static let script = """
        set -e
        PATH=$PATH:/usr/sbin:/sbin
        ip link add br0 type bridge
        ip addr add 203.0.113.1/24 dev br0
        ip addr add 203.0.113.7/24 dev br0
        ip link set br0 up
        for pid; do
            ip link add v$pid type veth peer name host0 netns $pid
            ip link set v$pid master br0 up
            nsenter -t $pid -n ip link set lo up
            nsenter -t $pid -n ip link set host0 up
        done
        nsenter -t $1 -n ip addr add 203.0.113.2/24 dev host0
        nsenter -t $1 -n ip route add default via 203.0.113.1
        """

    /// netemu on one side, with a hook that first runs `before`.
    func node(_ side: Int, hook before: String? = "", more: [String] = []) throws -> Session {
        consoles += 1
        let console = "\(ground.directory.path)/c\(consoles)"
        let place = "\(ground.directory.path)/run\(consoles)"
        mkdir(place, 0o700)
        let script = before.map { ground.script("hook\(consoles)", "\($0)\n\(Self.hook(calls))") }
        let hook = script.map { ["-migrate-hook", $0] } ?? []
        let child = try ground.namespace.start(
            ["nsenter", "-t", "\(holders[side].pid)", "-n", try Peers.built("netemu").require()]
                + ["-netdev", "passt,id=n,path=\(ground.passt),vhost-user=on,tcp-ports=18080"]
                + ["-device", "virtio-net-pci,netdev=n", "-monitor", "stdio"]
                + ["-serial", "unix:\(console),server=on,wait=off"] + hook + more,
            input: .pipe, directory: ground.directory.path, environment: ["XDG_RUNTIME_DIR": place])
        do { return try Session(child: child, console: UnixClient(path: console)) } catch {
            throw TestFailure(description: "\(error)\n\(child.transcript)")
        }
    }

    private static func hook(_ calls: String) -> String {
        """
        PATH=$PATH:/usr/sbin:/sbin
        echo "$NETEMU_MIGRATE_SIDE $NETEMU_MIGRATE_PHASE $NETEMU_MIGRATE_URI" >>\(calls)
        case $NETEMU_MIGRATE_SIDE-$NETEMU_MIGRATE_PHASE in
        source-saved | destination-back) ip addr del 203.0.113.2/24 dev host0 ;;
        source-back | destination-load)
            ip addr add 203.0.113.2/24 dev host0
            ip route add default via 203.0.113.1 ;;
        esac
        """
    }

    var called: [String] {
        let lines = (textOfFile(calls) ?? "").split(separator: "\n")
        return lines.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
    }
}

@Suite("a guest that moves to another network namespace", .serialized)
struct MovingElsewhereTests {
    private static var privileges: [Privilege] { Privilege.available.filter { $0 != .plain } }

    private func answer(_ session: Session, _ command: String, seconds: Double = 40) throws -> [String] {
        try session.monitor(command, seconds: seconds).split(whereSeparator: \.isNewline).dropFirst().map(String.init)
    }

    private func onBridge(_ privilege: Privilege = .mapped, _ body: (Bridge) throws -> Void) throws {
        try withGround(as: privilege) { ground in try body(Bridge(ground)) }
    }

    private func waitForAddress(_ session: Session) throws {
        let has = try eventually { try session.run("ip addr").output.contains(" 203.0.113.2/24") }
        #expect(has, "\(session.child.transcript)")
    }

    private func stream(_ session: Session, _ bridge: Bridge) throws -> CountedStream {
        try CountedStream(from: session, to: Bridge.peer, on: bridge.ground)
    }

    private func quit(_ session: Session) throws {
        session.child.write("quit\n")
        #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
    }

    @Test("the hook moves the address, and a stream goes on, byte for byte", arguments: privileges)
    func moves(privilege: Privilege) throws {
        try onBridge(privilege) { bridge in
            let here = try bridge.node(0, more: ["-sandbox", "on"])
            try waitForAddress(here)
            let uri = "unix:\(bridge.ground.directory.path)/m"
            let there = try bridge.node(1, more: ["-incoming", uri, "-sandbox", "on"])
            let stream = try stream(here, bridge)
            #expect(try answer(here, "migrate \(uri)") == [], "\(here.child.transcript)")
            #expect(try eventually { try answer(there, "info status") == ["VM status: running"] })
            let told = try answer(there, "info migrate").joined(separator: "\n")
            #expect(told.contains("n: 1 had, 1 moved, 0 lost"), "\(told)\n\(there.child.transcript)")
            #expect(textOfFile(bridge.calls) == "source saved \(uri)\ndestination load \(uri)\n")
            try stream.end(at: there)
            try quit(here)
            try quit(there)
        }
    }

    @Test("without a hook that is said before, and the report tells why connections are lost")
    func withoutHook() throws {
        try onBridge { bridge in
            let here = try bridge.node(0, hook: nil)
            try waitForAddress(here)
            let uri = "unix:\(bridge.ground.directory.path)/m"
            let there = try bridge.node(1, hook: nil, more: ["-incoming", uri])
            _ = try stream(here, bridge)
            #expect(try answer(here, "migrate \(uri)") == [], "\(here.child.transcript)")
            #expect(here.child.transcript.contains("warning: the destination is on another host or in another network"))
            let told = try answer(here, "info migrate").joined(separator: "\n")
            #expect(told.contains("n: 1 had, 0 moved, 1 lost"), "\(told)\n\(there.child.transcript)")
            #expect(told.contains(": 203.0.113.2 is no address of this host"), "\(told)")
            try quit(here)
            try quit(there)
        }
    }

    @Test(
        "a hook that fails or hangs: the guest goes on where it was, with its stream, and both sides say why",
        arguments: [
            (0, "[ $NETEMU_MIGRATE_PHASE = back ] || { echo no way; exit 3; }", "it exited with code 3: no way"),
            (1, "[ $NETEMU_MIGRATE_PHASE = back ] || { echo no way; exit 3; }", "it exited with code 3: no way"),
            (1, "[ $NETEMU_MIGRATE_PHASE = back ] || sleep 1000", "it did not end within 10 s and was killed"),
        ])
    func fails(side: Int, hook: String, why: String) throws {
        try onBridge { bridge in
            let here = try bridge.node(0, hook: side == 0 ? hook : "")
            try waitForAddress(here)
            let uri = "unix:\(bridge.ground.directory.path)/m"
            let there = try bridge.node(1, hook: side == 1 ? hook : "", more: ["-incoming", uri])
            let stream = try stream(here, bridge)
            let text =
                "the migrate-hook failed at the "
                + (side == 0 ? "source (saved)" : "destination (load)") + ": \(why)"
            #expect(try answer(here, "migrate \(uri)") == ["netemu: \(text)"], "\(here.child.transcript)")
            #expect(try there.child.wait(seconds: 20) == .exited(1))
            #expect(there.child.errors.contains(text), "\(there.child.transcript)")
            #expect(try answer(here, "info status") == ["VM status: running"])
            #expect(bridge.called.contains("source back"), "\(bridge.called)")
            try stream.end(at: here)
            try quit(here)
        }
    }

    @Test("whoever ends when the address has moved, and the guest has not, undoes that first", arguments: Side.allCases)
    func ended(side: Side) throws {
        try onBridge { bridge in
            let here = try bridge.node(0)
            try waitForAddress(here)
            let path = "\(bridge.ground.directory.path)/m"
            let there = try bridge.node(1, more: ["-incoming", "unix:\(path)"])
            #expect(eventually { access(path, F_OK) == 0 })
            // PREPARED is said and does not come; both have called their hooks.
            let relay = try MoveRelay(at: "\(path).relay", to: path, holdAt: .before(kind: 130))
            #expect(try answer(here, "migrate -d unix:\(path).relay") == [])
            #expect(try relay.waitForHold())
            #expect(bridge.called == ["source saved", "destination load"])
            try quit(side == .source ? here : there)
            relay.cut()
            #expect(bridge.called.contains("\(side.rawValue) back"), "\(bridge.called)")
            if side == .source { #expect(try there.child.wait(seconds: 20) == .exited(1)) } else { try quit(here) }
            #expect(Set(bridge.called).count == 4, "\(bridge.called)")
        }
    }

    @Test("in one network namespace nobody calls it")
    func sameNamespace() throws {
        try onBridge { bridge in
            let here = try bridge.node(0, more: ["-sandbox", "on"])
            try waitForAddress(here)
            let uri = "unix:\(bridge.ground.directory.path)/m"
            let there = try bridge.node(0, more: ["-incoming", uri, "-sandbox", "on"])
            #expect(try answer(here, "migrate \(uri)") == [], "\(here.child.transcript)")
            #expect(try eventually { try answer(there, "info status") == ["VM status: running"] })
            #expect(bridge.called == [])
            try quit(here)
            try quit(there)
        }
    }
}
