// A front-end machine, a scripted back-end and a simulated clock on one bench: owner's words in,
// messages across, a trace out.

import Bytes
import Linux
import Virtio

@testable import VhostUser

struct MachineBench {
    var machine: FrontEndMachine
    var backEnd: ScriptedBackEnd
    var now = Instant(nanoseconds: 1_000_000_000)
    /// What was sent, a line per message.
    private(set) var trace: [String] = []
    private(set) var events: [FrontEndEvent] = []
    private(set) var stops: [[StoppedRing]] = []
    /// Queues for which the driver was called.
    private(set) var interrupts: [UInt16] = []
    /// Descriptors that travelled with each message of the trace.
    private(set) var attachments: [[CInt]] = []
    private(set) var isClosed = false
    private(set) var sentCount = 0
    /// What became of states that were to be moved.
    private(set) var outcomes: [StateOutcome] = []
    /// What became of the log.
    private(set) var logged: [VhostUserError?] = []
    /// Each way of a state's bytes: in which direction, and whether through a descriptor of the back-end's.
    private(set) var stateWays: [(StateTransfer, isBackEnds: Bool)] = []
    /// A state's bytes are through as soon as they may pass.
    var movesStateAtOnce = true
    let parts: ConnectionDescriptors
    let queues: [QueueConfiguration]

    static let pairFeatures: UInt64 = 0x1_7000_9983

    /// One behind its handshake.
    static func connected(
        _ backEnd: ScriptedBackEnd = .passt, configure: (inout FrontEndOptions) -> Void = { _ in }
    ) throws -> MachineBench {
        var bench = try MachineBench(backEnd, configure: configure)
        bench.connect()
        return bench
    }

    init(
        _ backEnd: ScriptedBackEnd, regions: Int = 2, memory: GuestMemory? = nil,
        configure: (inout FrontEndOptions) -> Void = { _ in }
    ) throws {
        var options = FrontEndOptions()
        options.healthInterval = nil
        configure(&options)
        self.backEnd = backEnd
        machine = FrontEndMachine(options: options, memory: try memory ?? MachineBench.memory(regions: regions))
        parts = ConnectionDescriptors(
            kicks: try (0..<options.ringCount).map { _ in try SharedEvent() },
            calls: try (0..<options.ringCount).map { _ in try SharedEvent() },
            errors: try (0..<options.ringCount).map { _ in try SharedEvent() },
            backEndChannel: openDescriptors(1)[0])
        queues = try (0..<options.ringCount).map { try MachineBench.queue(UInt16($0)) }
    }

    /// 256 MiB as a PC has them, or as many pieces as are asked for.
    static func memory(regions: Int) throws -> GuestMemory {
        if regions == 2 { return try GuestMemory(size: 256 << 20, holes: [0xa0000..<0xc0000]) }
        let holes = (1..<regions).map { UInt64($0) << 20..<UInt64($0) << 20 + 4096 }
        return try GuestMemory(size: 256 << 20, holes: holes)
    }

    static func queue(_ index: UInt16, base: RingPosition = 0, at start: UInt64? = nil) throws -> QueueConfiguration {
        let start = start ?? 0x29c_1000 + UInt64(index) * 0x2000
        return QueueConfiguration(
            index: index, size: 256,
            addresses: RingAddresses(descriptorTable: start, availRing: start + 0x1000, usedRing: start + 0x1240),
            base: base)
    }

    // MARK: the owner's words

    mutating func connect() {
        backEnd.reconnect()
        isClosed = false
        machine.connected(parts, now: now)
        settle()
    }

    mutating func start(features: UInt64 = pairFeatures, bases: [RingPosition] = []) {
        var queues = queues
        for (index, base) in bases.enumerated() { queues[index].base = base }
        machine.start(features: features, queues: queues, now: now)
        settle()
    }

    mutating func stop() {
        machine.stop(now: now)
        settle()
    }

    mutating func move(_ direction: StateTransfer) {
        if let refusal = machine.move(direction, through: Attachment(openDescriptors(1)[0]), now: now) {
            outcomes.append(refusal)
        }
        settle()
    }

    mutating func call(_ input: (inout FrontEndMachine, Instant) -> Void) {
        input(&machine, now)
        settle()
    }

    /// Lets time pass up to the machine's next deadline, if that is within `limit`.
    mutating func wait(_ limit: Interval) {
        let end = now + limit
        now = min(machine.nextDeadline ?? end, end)
        machine.advance(to: now)
        settle()
    }

    mutating func feed(_ bytes: [UInt8]) {
        feedPieces(bytes)
        settle()
    }

    // MARK: the wire

    private var receiver = MessageReceiver(receiving: .replies)

    /// Carries actions and answers until both sides are quiet.
    private mutating func settle() {
        while true {
            let actions = machine.takeActions()
            if actions.isEmpty { return }
            for action in actions { perform(action) }
        }
    }

    private mutating func perform(_ action: FrontEndAction) {
        switch action {
        case .send(let bytes, let attachments): send(bytes, attachments)
        case .signal(let event): event.signal()
        case .interrupt(let queue): interrupts.append(queue)
        case .stopped(let rings): stops.append(rings)
        case .moveStateBytes(let direction, let descriptor):
            stateWays.append((direction, descriptor != nil))
            if movesStateAtOnce { machine.stateBytesEnded(isWhole: true, now: now) }
        case .stateMoved(let outcome): outcomes.append(outcome)
        case .logged(let refusal): logged.append(refusal)
        case .report(let event): events.append(event)
        case .close:
            isClosed = true
            receiver = MessageReceiver(receiving: .replies)
        }
    }

    private mutating func send(_ bytes: [UInt8], _ attachments: [Attachment]) {
        guard !isClosed else { return }
        self.attachments.append(attachments.map(\.raw))
        sentCount += 1
        guard let raw = try? received(bytes, as: .requests, descriptors: attachments.count),
            let message = try? Message(parsing: raw)
        else {
            trace.append("not a message: \(bytes)")
            return
        }
        trace.append(message.traceLine)
        let answer = backEnd.handle(message)
        feedPieces(answer)
        if backEnd.isOver, !isClosed { machine.endOfFile(at: receiver.position) }
    }

    private mutating func feedPieces(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty, machine.state != .disconnected {
            let piece = Array(rest.prefix(receiver.needed))
            rest = rest.dropFirst(piece.count)
            do {
                if let message = try piece.withUnsafeBytes({ try receiver.take($0) }) {
                    machine.received(message, now: now)
                }
            } catch {
                machine.fail((error as? MessageError).map { .message($0) } ?? .endOfFile)
            }
        }
    }
}

extension RequestMessage where Number == Request {
    /// A line of a trace: name, `ack` when an acknowledgement is asked for, `+n` descriptors, the payload.
    var traceLine: String {
        var words = [request.description]
        if needsReply { words.append("ack") }
        if descriptorCount > 0 { words.append("+\(descriptorCount)") }
        switch payload {
        case .u64(let value): words.append("0x\(String(value, radix: 16))")
        case .vringState(let state): words.append("ring \(state.index) num \(state.num)")
        case .vringDescriptor(let ring): words.append("ring \(ring.index)")
        case .vringAddress(let address): words.append(address.traceWords)
        case .memoryTable(let table): words += table.regions.map(\.traceWords)
        case .memoryRegion(let region): words.append(region.traceWords)
        default: break
        }
        return words.joined(separator: " ")
    }
}

private func offset(_ address: UInt64) -> String {
    "0x\(String(address &- MemoryRegion.userAddressBase, radix: 16))"
}

extension VringAddress {
    /// Addresses relative to the start of guest memory.
    var traceWords: String {
        "ring \(index) log \(isLogged ? 1 : 0) at \(offset(descriptorTable)) \(offset(usedRing)) \(offset(availRing))"
            + " logged at 0x\(String(logAddress, radix: 16))"
    }
}

extension MemoryRegionDescription {
    var traceWords: String {
        "[0x\(String(guestPhysical, radix: 16)) size 0x\(String(size, radix: 16)) user \(offset(userAddress))"
            + " file 0x\(String(fileOffset, radix: 16))]"
    }
}
