// Two hosts of NetStack on one link, in simulated time: a TCP connection, a line and its echo. No clock is read and
// nothing is waited for; the link's delay and the hosts' timers move the time.
//
//   swift run example-two-hosts

import Bytes
import Link
import NetStack

/// A host at one end of a link.
final class Station: FramePort, BufferSource {
    private(set) lazy var host = Host(hostname: "\(end)", seed: 1, buffers: self)
    private let link: FrameLink
    private let end: LinkEnd
    private let slots = UnsafeMutableBufferPointer<TransmitSlot>.allocate(capacity: 1)
    private var arrived: [[UInt8]] = []
    private(set) var eth0 = InterfaceID(rawValue: 0)

    init(_ address: String, on link: FrameLink, at end: LinkEnd) throws {
        (self.link, self.end) = (link, end)
        slots.initialize(repeating: TransmitSlot(room: .allocate(byteCount: 2048, alignment: 64)))
        let mac = MACAddress(2, 0, 0, 0, 0, end == .card ? 1 : 2)
        eth0 = host.addInterface(InterfaceConfiguration(name: "eth0", mac: mac, dhcp: false))
        host.setLink(eth0, isUp: true, now: clock)
        guard let prefix = IPPrefix(address) else { fatalError(address) }
        try host.configure(eth0, address: prefix, now: clock)
        link.connect(self, at: end)
    }

    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? { .allocate(byteCount: bytes, alignment: 64) }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) { span.deallocate() }
    func peerHasRoom() {}

    /// Frames are lent for the call only: what arrives later than now has to be copied.
    func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        for frame in frames { arrived.append(frame.segments.flatMap { Array($0) }) }
        return frames.count
    }

    /// What arrived is received, what is due is done, what is to be sent leaves; true when something happened.
    func turn() -> Bool {
        let frames = arrived
        arrived = []
        for frame in frames {
            frame.withUnsafeBytes { FrameView.withOneSpan($0) { host.receive($0, on: eth0, now: clock) } }
        }
        host.advance(to: clock)
        var sent = 0
        while host.transmit(into: slots, on: eth0, now: clock) == 1 {
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(slots[0].room)[..<slots[0].length])
            sent += FrameView.withOneSpan(bytes) { link.send($0, from: end) }
        }
        return sent + frames.count > 0
    }
}

nonisolated(unsafe) var clock = Instant(nanoseconds: 0)
let link = FrameLink(atEndOfTurn: { _ in })
let server = try Station("10.0.0.1/24", on: link, at: .card)
let client = try Station("10.0.0.2/24", on: link, at: .netdev)

/// Turns both until `condition`, 100 µs of simulated time for each way over the link.
@MainActor func run(until condition: () -> Bool) {
    while !condition() {
        let isBusy = [server.turn(), client.turn()].contains(true)
        let deadline = [server.host.nextDeadline, client.host.nextDeadline].compactMap { $0 }.min()
        guard isBusy || deadline != nil else { fatalError("nothing more will happen") }
        clock = isBusy ? clock + .microseconds(100) : max(clock, deadline ?? clock)
    }
}

let listener = try server.host.tcp.listen(on: 7)
guard let address = IPAddress("10.0.0.1") else { fatalError("no address") }
let socket = try client.host.tcp.connect(to: Endpoint(address, 7), now: clock)
run { client.host.tcp.status(socket)?.isConnected == true }
print("connected after \(clock.nanoseconds / 1000) µs of simulated time")
let line = Array("hello\n".utf8)
_ = line.withUnsafeBytes { client.host.tcp.send(socket, $0, now: clock) }
var echo: TCPSocketID?
var room = [UInt8](repeating: 0, count: 100)
run {
    echo = echo ?? server.host.tcp.accept(listener)
    guard let echo else { return false }
    let count = room.withUnsafeMutableBytes { server.host.tcp.receive(echo, into: $0, now: clock).count }
    _ = room[..<count].withUnsafeBytes { server.host.tcp.send(echo, $0, now: clock) }
    return (client.host.tcp.status(socket)?.readableBytes ?? 0) == line.count
}
let count = room.withUnsafeMutableBytes { client.host.tcp.receive(socket, into: $0, now: clock).count }
print("echo after \(clock.nanoseconds / 1000) µs: \(String(decoding: room[..<count], as: UTF8.self))", terminator: "")
