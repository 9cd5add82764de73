// passts of ours in a network namespace, and a node on a card that hangs on one of them, all in this process. The test's
// thread enters the namespace, and what it starts is there, too.

import Bytes
import Glibc
import GuestNode
import Link
import Linux
import PasstLauncher
import PasstSession
import TestSupport
import Virtio

@testable import NetEmu

/// A node whose card is carried from one passt to another.
final class MovingStage: TurningNode {
    let reactor: Reactor
    let node: Node
    let device: NetDevice
    let said = SaidLines()
    private let memory: GuestMemory
    private let directory: RuntimeDirectory
    private let spawner: DirectSpawner
    private lazy var chardevs = ChardevTable(on: reactor, said.voice)
    private let turner: NodeTurner
    private var netdevs: [PasstNetdev] = []

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        reactor = try Reactor()
        directory = try RuntimeDirectory(below: "/tmp")
        spawner = DirectSpawner(reactor: reactor)
        memory = try GuestMemory(size: 64 << 20)
        device = try NetDevice(model: NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)), memory: memory)
        node = Node(NodeConfiguration(heap: GuestHeap(memory: memory), files: NoFiles(), seed: 1))
        turner = NodeTurner(node, on: reactor)
        node.attach(device, name: "eth0")
    }

    deinit { directory.removeAll() }

    /// A back-end that is not started.
    /// - Parameter helper: its netemu-repair; nil for none.
    func makePasst(_ name: String, helper: String?, ports: [String] = []) throws -> PasstNetdev {
        var options = PasstOptions()
        options.vhostUser = true
        options.tcpPorts = ports
        let launch = PasstLaunch(
            options: options, program: try PasstProgram(try Peers.passt.require()),
            files: PasstFiles(number: netdevs.count), directory: directory,
            tools: PasstTools(spawner: spawner, reactor: reactor), repair: try helper.map { try RepairProgram($0) },
            repairProblem: helper == nil ? "none was asked for" : nil, voice: said.voice)
        let netdev = try PasstNetdev(name, location: nil, launch: launch)
        netdevs.append(netdev)
        return netdev
    }

    /// `-netdev vhost-user` on a client that connects again and again.
    func makeVhostUser(_ path: String) throws -> VhostUserNetdev {
        try chardevs.add(try ChardevOption.plan("socket,id=c0,path=\(path),reconnect-ms=50", location: nil))
        let kind = try VhostUserKind(KeyValueList(pairs: [.init("chardev", "c0")]))
        let netdev = try kind.make(
            NetdevSite(
                name: "h0", location: nil, reactor: reactor, chardevs: chardevs, programs: NetdevPrograms(),
                voice: said.voice))
        guard let netdev = netdev as? VhostUserNetdev else { throw TestFailure(description: "another kind") }
        chardevs.startSockets()
        return netdev
    }

    /// The card hangs on `netdev` from now on.
    func plug(into netdev: any Netdev) throws {
        if case .rings(let peer) = netdev.door { try peer.connect(device) }
    }

    func unplug(from netdev: any Netdev) throws {
        guard case .rings(let peer) = netdev.door else { return }
        var isOut = false
        peer.disconnect(device) { isOut = true }
        try wait("the card is out") { isOut }
    }

    func boot(on netdev: any Netdev) throws {
        try plug(into: netdev)
        netdev.start()
        try wait("a lease") { node.isAddressed }
    }

    func suspend() throws {
        var isStill = false
        device.suspend { isStill = true }
        try wait("rings that stand still") { isStill }
    }

    /// Turns until `call` has answered.
    func answer<T>(_ call: (@escaping (T) -> Void) -> Void) throws -> T {
        var answer: T?
        call { answer = $0 }
        try wait("an answer") { answer != nil }
        guard let answer else { throw TestFailure(description: "no answer") }
        return answer
    }

    func wait(_ what: String, until condition: () -> Bool) throws {
        guard try turn(atMost: 30, until: condition) else {
            throw TestFailure(description: "after 30 s not there: \(what)\n\(said.lines.joined(separator: "\n"))")
        }
    }

    /// Ends every passt, and waits until nothing runs.
    func end() throws {
        for netdev in netdevs where !netdev.isGone { netdev.stop() }
        try wait("the end of all programs") { spawner.runningCount == 0 }
    }

    var runningPrograms: Int { spawner.runningCount }
}

/// This thread in the network namespace of `namespace` while `body` runs. Takes root.
func inside<R>(_ namespace: Namespace, _ body: () throws -> R) throws -> R {
    typealias Enter = @convention(c) (CInt, CInt) -> CInt
    guard let symbol = dlsym(nil, "setns") else { throw TestFailure(description: "no setns") }
    let enter = unsafeBitCast(symbol, to: Enter.self)
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    let there = open("/proc/\(namespace.holderPID)/ns/net", O_RDONLY | O_CLOEXEC)
    defer {
        close(home)
        close(there)
    }
    guard home >= 0, there >= 0, enter(there, 0) == 0 else { throw TestFailure(description: "setns: \(errno)") }
    defer { _ = enter(home, 0) }
    return try body()
}
