// A node whose network card is moved from one passt to another while it runs: what QEMU does with a guest that migrates
// on one host, without QEMU. The memory, the rings and the driver stay; only who works on the rings changes.

import Bytes
import CLinux
import GuestNode
import Link
import Linux
import NetStack
import TestSupport
import VhostUser
import Virtio

/// Who is behind the device at the moment; the device itself does not notice a change.
private final class Seat: RingBackEnd {
    var occupant: FrontEnd? { didSet { occupant?.owner = owner } }
    weak var owner: (any RingOwner)? { didSet { occupant?.owner = owner } }
    var features: UInt64 { occupant?.features ?? 0 }
    var isConnected: Bool { occupant?.isConnected ?? false }
    func start(features: UInt64, queues: [QueueConfiguration]) { occupant?.start(features: features, queues: queues) }
    func stop(_ done: @escaping ([RingPosition]) -> Void) { occupant?.stop(done) }
    func kicked(queue: UInt16) { occupant?.kicked(queue: queue) }
}

/// How long the parts of a move took, and how much was carried.
public struct Move: Sendable {
    public var stateBytes = 0
    public var saveMilliseconds = 0.0
    public var loadMilliseconds = 0.0
    /// From the order to stop until the destination works on the rings.
    public var downMilliseconds = 0.0
}

/// A node that a test turns.
public protocol TurningNode: AnyObject {
    var reactor: Reactor { get }
    var node: Node { get }
}

extension TurningNode {
    public var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    /// Turns the loop until `condition` holds; false after `seconds`.
    public func turn(atMost seconds: Double, until condition: () -> Bool) throws -> Bool {
        let deadline = reactor.nowNanoseconds + UInt64(seconds * 1e9)
        while !condition() {
            guard reactor.nowNanoseconds < deadline else { return false }
            try reactor.turn(maxWaitNanoseconds: 20_000_000)
        }
        return true
    }
}

/// Gives a node its turns on a loop.
public final class NodeTurner {
    private let node: Node
    private let reactor: Reactor
    private lazy var alarm = Alarm(on: reactor) { [unowned self] in turn() }
    private var isPlanned = false

    /// The node's work is done from now on, for as long as this exists.
    public init(_ node: Node, on reactor: Reactor) {
        (self.node, self.reactor) = (node, reactor)
        node.onWork = { [weak self] in self?.plan() }
    }

    private func plan() {
        guard !isPlanned else { return }
        isPlanned = true
        reactor.atEndOfTurn { [weak self] in self?.turn() }
    }

    private func turn() {
        isPlanned = false
        node.turn(now: Instant(nanoseconds: reactor.nowNanoseconds))
        alarm.set(node.nextDeadline?.nanoseconds)
    }
}

/// A node on a real passt, moved by a reactor of its own.
public final class MovableNode: TurningNode {
    public let reactor: Reactor
    public let node: Node
    private let memory: GuestMemory
    private let device: NetDevice
    private let seat = Seat()
    private var door: DeviceStateDoor
    private let turner: NodeTurner
    private var isRunning = false

    public init(on passt: RepairablePasst, memoryBytes: Int = 128 << 20) throws {
        reactor = try Reactor()
        memory = try GuestMemory(size: memoryBytes)
        device = try NetDevice(
            model: NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)), memory: memory)
        node = Node(NodeConfiguration(heap: GuestHeap(memory: memory), files: NoFiles(), seed: 1))
        turner = NodeTurner(node, on: reactor)
        let socket = try passt.connect()
        door = try DeviceStateDoor(socket)
        node.attach(device, name: "eth0")
        seat.occupant = try shakeHands(socket, with: passt)
        device.attach(seat)
        guard try turn(atMost: 20, until: { node.isAddressed }) else {
            throw TestFailure(description: "no lease within 20 s\n\(passt.passt.transcript)")
        }
    }

    /// Stops the rings, carries the back-end's state over and goes on at `destination`. The former passt is left as a
    /// migration leaves it: connected, without work.
    public func move(to destination: RepairablePasst) throws -> Move {
        var move = Move()
        let socket = try destination.connect()
        let newDoor = try DeviceStateDoor(socket)
        let successor = try shakeHands(socket, with: destination)
        let start = ne_monotonic_ns()
        var isStopped = false
        device.suspend { isStopped = true }
        guard try turn(atMost: 20, until: { isStopped }) else {
            throw TestFailure(description: "the rings do not stop")
        }
        let save = ne_monotonic_ns()
        let state = try door.save()
        let load = ne_monotonic_ns()
        try newDoor.load(state)
        let end = ne_monotonic_ns()
        former.append(seat.occupant)
        seat.occupant = successor
        isRunning = false
        device.resume()
        guard try turn(atMost: 20, until: { isRunning }) else {
            throw TestFailure(description: "the rings do not start")
        }
        move.stateBytes = state.count
        move.saveMilliseconds = Double(load - save) / 1e6
        move.loadMilliseconds = Double(end - load) / 1e6
        move.downMilliseconds = Double(ne_monotonic_ns() - start) / 1e6
        door = newDoor
        return move
    }

    private var former: [FrontEnd?] = []

    /// A front-end that has done its handshake and asks for no sign of life: the state's door needs the socket.
    private func shakeHands(_ socket: consuming FileDescriptor, with passt: RepairablePasst) throws -> FrontEnd {
        var options = FrontEndOptions()
        options.healthInterval = nil
        options.settlesKicksBeforeStop = true
        let frontEnd = try FrontEnd(reactor: reactor, memory: memory, options: options)
        var failure: VhostUserError?
        frontEnd.onEvent = { [unowned self] event in
            switch event {
            case .ready: isRunning = true
            case .disconnected(let reason): failure = reason
            default: break
            }
        }
        try frontEnd.attach(socket)
        guard try turn(atMost: 20, until: { frontEnd.isConnected || failure != nil }), failure == nil else {
            throw TestFailure(description: "\(passt.name): no handshake\n\(passt.passt.transcript)")
        }
        return frontEnd
    }
}
