// Everything of one NIC in one process: guest, device, front-end, socket, back-end, and the words of an
// owner in between. Turned by hand until something is true, so no test waits for time.

import Bytes
import Glibc
import Link
import Linux
import Virtio

@testable import VhostUser

final class WireBench {
    let reactor: Reactor
    let memory: GuestMemory
    let device: NetDevice
    let guest: TestGuest
    let frontEnd: FrontEnd
    private(set) var backEnd: SocketBackEnd?
    private(set) var events: [FrontEndEvent] = []

    init(bufferBytes: Int = 1536, isPolling: Bool = true, configure: (inout FrontEndOptions) -> Void = { _ in }) throws
    {
        var options = FrontEndOptions()
        options.healthInterval = nil
        configure(&options)
        reactor = try Reactor()
        memory = try GuestMemory(size: 8 << 20)
        device = try NetDevice(
            model: NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)), memory: memory)
        guest = TestGuest(device, heap: GuestHeap(memory: memory), bufferBytes: bufferBytes, isPolling: isPolling)
        frontEnd = try FrontEnd(reactor: reactor, memory: memory, options: options)
        frontEnd.onEvent = { [unowned self] in handle($0) }
        device.attach(frontEnd)
    }

    private func handle(_ event: FrontEndEvent) {
        events.append(event)
        switch event {
        case .connected(let features): device.backEndReturned(features: features)
        case .disconnected: device.backEndDied()
        default: break
        }
    }

    /// Gives the front-end one end of a socket pair and a back-end the other.
    func connect(_ script: ScriptedBackEnd, configure: (SocketBackEnd) -> Void = { _ in }) throws {
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError(call: "socketpair", code: errno)
        }
        let backEnd = SocketBackEnd(script, socket: FileDescriptor(owning: ends[1]), memory: memory)
        configure(backEnd)
        self.backEnd = backEnd
        try frontEnd.attach(FileDescriptor(owning: ends[0]))
    }

    /// The back-end dies: its end of everything is closed.
    func kill() { backEnd = nil }

    /// One turn of everybody; true when the back-end did something.
    @discardableResult
    func turn(workOnRings: Bool = true) throws -> Bool {
        let didWork = try backEnd?.turn(workOnRings: workOnRings) ?? false
        try reactor.turn(maxWaitNanoseconds: 0)
        try guest.poll()
        return didWork
    }

    /// Turns until `condition`; throws when that takes more turns than any test needs.
    func run(_ what: String, workOnRings: Bool = true, until condition: () throws -> Bool) throws {
        for _ in 0..<20_000 {
            if try condition() { return }
            try turn(workOnRings: workOnRings)
        }
        throw Missing("after 20000 turns \(what)")
    }

    /// From nothing to a guest with a link and rings that run.
    func boot(_ script: ScriptedBackEnd, configure: (SocketBackEnd) -> Void = { _ in }) throws {
        try connect(script, configure: configure)
        try run("the handshake") { frontEnd.isConnected }
        try guest.boot()
        try run("running rings") { frontEnd.state == .running }
    }

    var disconnections: [VhostUserError] {
        events.compactMap { if case .disconnected(let reason) = $0 { reason } else { nil } }
    }

    // MARK: numbered frames

    /// A frame that carries a number.
    static func frame(_ number: Int, length: Int = 64) -> [UInt8] {
        var bytes: [UInt8] = [2, 0, 0, 0, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x88, 0xb5]
        for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
        while bytes.count < length { bytes.append(UInt8(truncatingIfNeeded: bytes.count &* 7 &+ number)) }
        return bytes
    }

    /// The answer to it.
    static func answer(_ number: Int, length: Int = 64) -> [UInt8] {
        let frame = frame(number, length: length)
        return Array(frame[6..<12]) + Array(frame[0..<6]) + frame.dropFirst(12)
    }

    /// The number of each received frame, in order.
    var receivedNumbers: [Int] {
        guest.received.map { $0.count < 18 ? -1 : $0[14..<18].reduce(0) { $0 << 8 | Int($1) } }
    }
}
