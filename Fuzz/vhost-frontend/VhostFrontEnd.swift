// Feeds the front-end machine with arbitrary histories: an owner's words, right and wrong answers, raw
// bytes, time. Each input byte is an operation; some take more bytes. Whatever happens, what the machine
// sends must be messages, a closed connection stays closed, and time must let it come to rest.

import Bytes
import FuzzMain
import Glibc
import Linux
import VhostUser
import Virtio

@_cdecl("fuzz_vhost_frontend_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { input in
        var history = History(input)
        history.play()
    }
}

/// Descriptors and memory that all runs share.
enum World {
    static let memory: GuestMemory? = try? GuestMemory(size: 1 << 20, holes: [0xa0000..<0xc0000])
    static let events: [SharedEvent] = (0..<12).compactMap { _ in try? SharedEvent() }
    static let channel = SharedDescriptor(FileDescriptor(owning: open("/dev/null", O_RDONLY | O_CLOEXEC)))
    static let connection = ConnectionDescriptors(
        kicks: Array(events[0..<4]), calls: Array(events[4..<8]), errors: Array(events[8..<12]),
        backEndChannel: channel)

    static func queue(_ index: UInt16, at start: UInt64, base: RingPosition) -> QueueConfiguration {
        QueueConfiguration(
            index: index, size: 256, addresses: RingAddresses(contiguousAt: start, size: 256), base: base)
    }
}

struct History {
    private var input: ArraySlice<UInt8>
    private var machine: FrontEndMachine
    private var receiver = MessageReceiver(receiving: .replies)
    private var now = Instant(nanoseconds: 1)
    private var lastSent: Message?
    private var isOpen = false
    private var stopsAsked = 0
    private var stopsDone = 0
    private var movesAsked = 0
    /// Of all connections: a log's last word may come with the next one.
    private var (logsAsked, logsDone) = (0, 0)
    private var movesDone = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        input = ArraySlice(Array(bytes))
        guard let memory = World.memory else { fatalError("no guest memory") }
        var options = FrontEndOptions()
        let flags = input.popFirst() ?? 0
        options.queuePairs = flags & 1 == 0 ? 1 : 2
        options.healthInterval = flags & 2 == 0 ? nil : .milliseconds(500)
        options.mtu = flags & 4 == 0 ? nil : 1400
        if flags & 8 != 0 { options.protocolFeatures = [] }
        machine = FrontEndMachine(options: options, memory: memory)
    }

    mutating func play() {
        while let operation = input.popFirst() { perform(operation) }
        // Time alone brings any history to an end or to rest.
        for _ in 0..<4096 {
            guard let deadline = machine.nextDeadline, machine.state != .ready, machine.state != .running else { break }
            now = max(now, deadline)
            machine.advance(to: now)
            settle()
        }
        let resting: [FrontEndMachine.State] = [.disconnected, .ready, .running]
        guard resting.contains(machine.state) else { fatalError("stuck in \(machine.state)") }
        guard movesDone <= movesAsked else { fatalError("\(movesDone) states moved, \(movesAsked) asked") }
        guard logsDone <= 2 * logsAsked else { fatalError("\(logsDone) words of logs, \(logsAsked) asked") }
        guard stopsDone <= stopsAsked else { fatalError("\(stopsDone) stops done, \(stopsAsked) asked") }
    }

    private mutating func perform(_ operation: UInt8) {
        let argument = Int(operation >> 4)
        switch operation & 15 {
        case 0: connect()
        case 1: start(argument)
        case 2:
            stopsAsked += 1
            machine.stop(now: now)
        case 3: machine.reset(now: now)
        case 4: machine.setEnable(pair: argument >> 1, isOn: argument & 1 != 0, now: now)
        case 5 where argument < 8: machine.announce(macAddress: UInt64(argument), now: now)
        case 5: log(argument & 1 == 1)
        case 6: machine.advance(to: machine.nextDeadline ?? now)
        case 7: machine.endOfFile(at: receiver.position)
        case 8: feed(take(Int(input.popFirst() ?? 0)))
        case 9: answer(rightValue)
        case 10: answer(take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
        case 11:
            now = now + .milliseconds(Int64(argument) * 100)
            machine.advance(to: now)
        case 12: for _ in 0..<64 where machine.state != .disconnected { answer(rightValue) }
        case 13: machine.fail(.closedByOwner)
        case 14: move(argument & 1 == 0 ? .save : .load)
        default: machine.stateBytesEnded(isWhole: argument & 1 == 0, now: now)
        }
        settle()
    }

    private mutating func move(_ direction: StateTransfer) {
        if machine.move(direction, through: Attachment(World.channel), now: now) == nil { movesAsked += 1 }
    }

    private mutating func log(_ isOn: Bool) {
        guard isOn, let region = try? LogRegion(size: 4096, offset: 0) else { return machine.endLog(now: now) }
        logsAsked += 1
        machine.beginLog(Attachment(World.channel), region, now: now)
    }

    private mutating func connect() {
        machine.connected(World.connection, now: now)
        receiver = MessageReceiver(receiving: .replies)
        isOpen = true
        (stopsAsked, stopsDone) = (0, 0)
        (movesAsked, movesDone) = (0, 0)
    }

    private mutating func start(_ argument: Int) {
        let start = UInt64(argument) << 16
        let queues = (0..<UInt16(argument % 6)).map {
            World.queue($0, at: start + UInt64($0) * 0x4000, base: RingPosition($0))
        }
        machine.start(features: .max, queues: queues, now: now)
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        defer { input = input.dropFirst(count) }
        return Array(input.prefix(count))
    }

    // MARK: the back-end's side

    /// What a back-end with everything would answer to the last request.
    private var rightValue: UInt64? {
        switch lastSent?.request {
        case .getFeatures: 0x1_7442_998b
        case .getProtocolFeatures: 0x9_a03f
        case .getQueueNum: 2
        case .getMaximumMemorySlots: 32
        case .setDeviceStateDescriptor: 0x100
        default: lastSent.map { _ in 0 }
        }
    }

    private mutating func answer(_ value: UInt64?) {
        guard let value, let request = lastSent?.request else { return }
        lastSent = nil
        if request == .getVringBase {
            let state = VringState(
                index: UInt32(truncatingIfNeeded: value >> 32), num: UInt32(truncatingIfNeeded: value))
            feed(Reply(to: request, .vringState(state)).encoded())
        } else {
            feed(Reply(to: request, .u64(value)).encoded())
        }
        settle()
    }

    private mutating func feed(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty, isOpen {
            let piece = Array(rest.prefix(receiver.needed))
            rest = rest.dropFirst(piece.count)
            do {
                if let message = try piece.withUnsafeBytes({ try receiver.take($0) }) {
                    machine.received(message, now: now)
                }
            } catch {
                machine.fail(.descriptorsOrBytes(error))
            }
            settle()
        }
    }

    private mutating func settle() {
        for action in machine.takeActions() {
            switch action {
            case .send(let bytes, let attachments): check(bytes, attachments)
            case .stopped: stopsDone += 1
            case .close: isOpen = false
            case .stateMoved: movesDone += 1
            case .logged: logsDone += 1
            case .signal, .interrupt, .report, .moveStateBytes: break
            }
        }
        if machine.state == .disconnected {
            guard machine.nextDeadline == nil, machine.features == 0 else { fatalError("a dead connection lives on") }
        }
    }

    private mutating func check(_ bytes: [UInt8], _ attachments: [Attachment]) {
        guard isOpen else { fatalError("a message on a closed connection") }
        var receiver = MessageReceiver(receiving: .requests)
        let descriptors = attachments.map { _ in World.channel }
        let header = Array(bytes.prefix(MessageHeader.byteCount))
        var message = try? header.withUnsafeBytes { try receiver.take($0, descriptors: descriptors) }
        if message == nil {
            message = try? Array(bytes.dropFirst(MessageHeader.byteCount)).withUnsafeBytes { try receiver.take($0) }
        }
        guard let message, let parsed = try? Message(parsing: message) else { fatalError("not a message: \(bytes)") }
        lastSent = parsed
    }
}

extension VhostUserError {
    static func descriptorsOrBytes(_ error: any Error) -> VhostUserError {
        (error as? MessageError).map { .message($0) } ?? .endOfFile
    }
}
