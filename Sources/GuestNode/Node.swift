// The node: a small computer in software. Host, NICs, console, and the turn that moves them all.
// It owns no descriptor, reads no clock and sleeps nowhere: whoever drives it calls `turn` when
// `onWork` was called or `nextDeadline` has come.

import Bytes
import NetStack
import Virtio

/// What a node is made of.
public struct NodeConfiguration {
    /// Lends guest RAM for rings and socket buffers.
    public var heap: GuestHeap
    /// Sent with DHCP and shown in the prompt.
    public var hostname: String
    /// Files of the host that `<`, `>` and `curl -o` open.
    public var files: any FileDoor
    /// Where secrets, ports and identifiers come from.
    public var randomness: Randomness

    /// - Parameter randomness: the system's, but for simulations.
    public init(heap: GuestHeap, hostname: String = "node", files: any FileDoor, randomness: Randomness = .system) {
        self.heap = heap
        self.hostname = hostname
        self.files = files
        self.randomness = randomness
    }

    /// For simulations: nodes with equal seeds that are told the same at the same times do the same.
    public init(heap: GuestHeap, hostname: String = "node", files: any FileDoor, seed: UInt64) {
        self.init(heap: heap, hostname: hostname, files: files, randomness: .seeded(seed))
    }
}

/// A computer of which everything is software. Lives on one thread.
public final class Node {
    /// Its interfaces, routes and sockets.
    public let host: Host
    /// The terminal on which a shell waits. Its output grows only when somebody types or takes it.
    public let console: Session
    /// The script that was started by `run(script:)`.
    public internal(set) var script: Session?

    /// Called when a turn is wanted before `nextDeadline`: an interrupt, or bytes on a console.
    /// It may be called many times before the turn, also within calls into the node.
    public var onWork: (() -> Void)?
    /// Called with a sentence when something is wrong that no tool can tell.
    public var onNotice: ((String) -> Void)?
    /// Called when a detached NIC's device has been reset: nothing of the node touches it any more.
    public var onDetached: ((NetDevice) -> Void)?

    let configuration: NodeConfiguration
    private let buffers: HeapBuffers
    private(set) var interfaces: [NodeInterface] = []
    /// NICs whose last reset is under way.
    private var leaving: [NodeInterface] = []
    var pendingScript: PendingScript?
    var consoleHold = ConsoleHold.none
    private var isBusy = false
    /// Tools are stepped no more.
    public internal(set) var isLeaving = false
    /// On the node's own clock.
    var lastTurn = Instant(nanoseconds: 0)
    /// What the node's own clock shows is the driver's plus this; 0 where the node was made.
    private var clockLead: UInt64 = 0
    private var lastDriverTurn = Instant(nanoseconds: 0)
    /// Since when, on the driver's clock, the node's own stands still; nil while it goes.
    public private(set) var standingSince: Instant?

    /// Rounds of one turn; after them whoever drives the node gets to do other things.
    static let roundsPerTurn = 8

    /// A node that is on and has no NIC.
    public init(_ configuration: NodeConfiguration) {
        self.configuration = configuration
        buffers = HeapBuffers(configuration.heap)
        host = Host(hostname: configuration.hostname, randomness: configuration.randomness, buffers: buffers)
        console = Session(.terminal, host: host, files: configuration.files)
        console.onWork = { [weak self] in self?.onWork?() }
    }

    // MARK: NICs

    /// Plugs a NIC in, as `eth0`, `eth1` and so on. The driver starts as soon as the device is present.
    @discardableResult
    public func attach(_ device: NetDevice, name: String) -> InterfaceID {
        let interface = NodeInterface(device, name: name, host: host, heap: configuration.heap)
        interface.onWork = { [weak self] in self?.onWork?() }
        interface.onNotice = { [weak self] in self?.onNotice?($0) }
        interfaces.append(interface)
        onWork?()
        return interface.id
    }

    /// Pulls a NIC out. Its rings' memory is free once the device has completed its reset.
    public func detach(_ device: NetDevice, now: Instant) {
        guard let index = interfaces.firstIndex(where: { $0.device === device }) else { return }
        let interface = interfaces.remove(at: index)
        leaving.append(interface)
        interface.onGone = { [weak self] in self?.gone($0) }
        interface.detach(now: own(now))
        onWork?()
    }

    private func gone(_ interface: NodeInterface) {
        leaving.removeAll { $0 === interface }
        onDetached?(interface.device)
    }

    /// Every NIC that is plugged in has an address.
    public var isAddressed: Bool {
        let entries = host.interfaces()
        return interfaces.allSatisfy { interface in
            entries.contains { $0.id == interface.id && !$0.addresses.isEmpty }
        }
    }

    // MARK: the turn

    /// Socket buffers in guest RAM: what was written in them since the last call is marked, while somebody wants to know
    /// (`GuestMemory.beginTracking`). Everything else of a node marks as it writes.
    public func markWrites() {
        let memory = configuration.heap.memory
        host.takeWritten { memory.mark(UnsafeRawBufferPointer($0)) }
    }

    /// Does everything that can be done at `now`, a bounded amount of it. Frames are taken in once: what
    /// arrives during the turn is of a later time and belongs to the next one.
    public func turn(now: Instant) {
        lastDriverTurn = now
        let now = own(now)
        lastTurn = now
        follow(now)
        for interface in interfaces { interface.receive(now: now) }
        isBusy = true
        var rounds = 0
        while isBusy, rounds < Self.roundsPerTurn {
            rounds += 1
            isBusy = work(now)
        }
        guard !isBusy else { return }
        for interface in interfaces where interface.rearm(now: now) { isBusy = true }
    }

    /// When `turn` has something to do next; nil: not before `onWork` is called.
    public var nextDeadline: Instant? { ownDeadline.map(driverTime) }

    private var ownDeadline: Instant? {
        if isBusy { return lastTurn }
        var deadlines = interfaces.map(\.nextDeadline)
        deadlines.append(host.nextDeadline)
        if isLeaving {
            deadlines.append(drainDeadline(after: lastTurn))
        } else {
            deadlines += [console.nextDeadline, consoleHold.deadline, script?.nextDeadline, pendingScript?.deadline]
        }
        return deadlines.compactMap { $0 }.min()
    }

    // MARK: the clock

    /// What the node's clock shows when the clock of whoever drives it shows `now`: the same, but for nodes that have
    /// moved or stood still. The host's calls take times of this clock.
    public func own(_ now: Instant) -> Instant {
        Instant(nanoseconds: (standingSince ?? now).nanoseconds &+ clockLead)
    }

    /// The node's clock stands still from now on, as a computer's that is stopped: nobody turns it until `goOn`.
    public func standStill(at now: Instant) { standingSince = standingSince ?? now }

    /// The node's clock goes on where it stood; what measures the world is told how long that was.
    public func goOn(at now: Instant) {
        guard let since = standingSince else { return }
        standingSince = nil
        let time = now.since(since)
        clockLead &-= UInt64(bitPattern: time.nanoseconds)
        wasAway(for: time)
    }

    /// The node's clock shows `clock` when the driver's shows `now`.
    func setClock(_ clock: UInt64, at now: Instant) {
        clockLead = clock &- now.nanoseconds
        (lastDriverTurn, standingSince) = (now, nil)
    }

    func wantTurn() {
        isBusy = true
        onWork?()
    }

    /// A time of the node's clock on the driver's; what is past there is the last turn here.
    private func driverTime(_ time: Instant) -> Instant {
        guard clockLead != 0, time.nanoseconds != .max else { return time }
        return lastDriverTurn + max(.zero, time.since(lastTurn))
    }

    private func follow(_ now: Instant) {
        for interface in interfaces { interface.follow(now: now) }
    }

    /// Timers, tools, frames out; true when another round may find work.
    private func work(_ now: Instant) -> Bool {
        host.advance(to: now)
        var hasMore = !isLeaving && stepTools(now)
        for interface in interfaces { hasMore = interface.transmit(now: now) || hasMore }
        return hasMore
    }

    private func stepTools(_ now: Instant) -> Bool {
        startScript(now)
        let hasMore = !isConsoleHeld(now) && console.step(now: now)
        guard pendingScript == nil, let script else { return hasMore }
        return script.step(now: now) || hasMore
    }
}

/// Socket buffers in guest RAM.
private final class HeapBuffers: BufferSource {
    private let heap: GuestHeap
    init(_ heap: GuestHeap) { self.heap = heap }
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? { heap.allocate(bytes) }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) { try? heap.free(span) }
    func name(of span: UnsafeMutableRawBufferPointer) -> UInt64? { heap.address(ofLent: span) }
    func lend(named name: UInt64, bytes: Int) -> UnsafeMutableRawBufferPointer? { try? heap.claim(bytes, at: name) }
}
