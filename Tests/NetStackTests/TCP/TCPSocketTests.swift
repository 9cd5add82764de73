// The same machine over rings on one side and over the host's sockets on the other: a node talks through a gateway to a
// program of the host.

import Bytes
import Glibc
import Link
import Testing

@testable import NetStack

/// A node (rings), a wire in simulated time, a gateway (sockets), and the program behind it.
private final class Gateway {
    let node: TestHost
    let machine: TCPMachine
    let storage = SocketStorage()
    let routes = OneRoute(address: IPAddress(10, 0, 0, 2), mtu: 1500)
    private let door = OpenDoor()
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 16)
    private var there: WireDirection
    private var back: WireDirection
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// The program's ends of the sockets.
    private(set) var programs: [CInt] = []

    private final class OpenDoor: TCPDoor {
        func admission(of id: TCPSocketID, from remote: Endpoint, to local: Endpoint) -> TCPAdmission { .accept }
        func ended(_ id: TCPSocketID, _ error: TCPError?) {}
    }

    init(_ wire: WireBehaviour, seed: UInt64) {
        node = TestHost(IPAddress(10, 0, 0, 1), seed: seed)
        machine = TCPMachine(randomness: .seeded(seed &+ 5), storage: storage)
        routes.isGateway = true
        there = WireDirection(wire, seed: seed)
        back = WireDirection(wire, seed: seed &+ 1)
        machine.paths = routes
        machine.door = door
        storage.makeSocket = { [unowned self] in
            guard let (one, other) = loopbackPair() else { return nil }
            programs.append(other)
            return one
        }
    }

    deinit {
        for fd in programs { close(fd) }
        room.deallocate()
    }

    /// Goes on to the next event, at most a millisecond.
    func step(to destination: Endpoint) {
        storage.poll(machine, now: now)
        while let (bytes, _) = node.transmit(now: now) { there.send(bytes, now: now.nanoseconds) }
        let room = UnsafeMutableRawBufferPointer(rebasing: room[0..<1500])
        while let placed = machine.transmit(into: room, on: routes.interface, from: storage, now: now) {
            back.send(Array(room[placed.offset..<placed.offset + placed.length]), now: now.nanoseconds)
        }
        let next = min(there.next ?? .max, back.next ?? .max, now.nanoseconds + 1_000_000)
        now = Instant(nanoseconds: max(now.nanoseconds, next))
        while let bytes = there.pop(now: now.nanoseconds) {
            lend(bytes, from: node.address, to: destination.address, pieces: 2) {
                machine.receive($0, through: storage, now: now)
            }
        }
        while let bytes = back.pop(now: now.nanoseconds) { node.receive(bytes, from: destination.address, now: now) }
        node.tcp.advance(to: now)
        machine.advance(to: now)
    }
}

/// The program: sends pattern bytes, checks those that come.
private struct HostProgram {
    let fd: CInt
    let total: Int
    var sent = 0
    var received = 0
    var isCorrect = true
    var sawEnd = false

    mutating func work(readLimit: Int) {
        while sent < total {
            let chunk = Pattern.bytes(sent..<min(total, sent + 16_384), 0x77)
            let count = chunk.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { break }
            sent += count
        }
        if sent == total { shutdown(fd, CInt(SHUT_WR)) }
        var room = [UInt8](repeating: 0, count: readLimit)
        let count = recv(fd, &room, room.count, 0)
        if count == 0 { sawEnd = true }
        guard count > 0 else { return }
        room.withUnsafeBytes {
            if !Pattern.matches(UnsafeRawBufferPointer(rebasing: $0[0..<count]), at: received, 0x11) {
                isCorrect = false
            }
        }
        received += count
    }
}

@Suite struct TCPSocketTests {
    @Test(
        "a node talks through a gateway of sockets to a program of the host: every byte, both ways, and both ends",
        arguments: [
            (WireBehaviour(), 1 << 20, 600_000, 65_536), (WireBehaviour(delay: .milliseconds(1)), 0, 300_000, 4096),
            (WireBehaviour(delay: .milliseconds(1)), 300_000, 0, 3000),
            (
                WireBehaviour(delay: .milliseconds(2), loss: 0.02, duplication: 0.02, reordering: 0.05), 80_000, 90_000,
                65_536
            ),
        ])
    func stream(wire: WireBehaviour, forth: Int, back: Int, readLimit: Int) throws {
        let gateway = Gateway(wire, seed: UInt64(forth &+ 7))
        let there = Endpoint(IPAddress(198, 51, 100, 7), 8080)
        let id = try gateway.node.tcp.connect(to: there, now: gateway.now)
        var end = StreamEnd(
            host: gateway.node, id: id, total: forth, expected: back, sendSalt: 0x11, receiveSalt: 0x77)
        var program: HostProgram?
        let deadline = time(nil) + 60
        while !(end.isDone && program?.sawEnd == true), time(nil) < deadline {
            gateway.step(to: there)
            end.work(now: gateway.now)
            if program == nil, let fd = gateway.programs.first { program = HostProgram(fd: fd, total: back) }
            program?.work(readLimit: readLimit)
        }
        #expect(end.isDone && end.isCorrect)
        #expect(program?.isCorrect == true && program?.sawEnd == true)
        #expect(program?.received == forth)
        #expect(!gateway.storage.isBroken, "what is acknowledged was in the socket")
    }

    @Test("a program that dies in the middle resets the node's connection through the gateway")
    func programDies() throws {
        let gateway = Gateway(WireBehaviour(), seed: 3)
        let there = Endpoint(IPAddress(198, 51, 100, 7), 8080)
        let id = try gateway.node.tcp.connect(to: there, now: gateway.now)
        let deadline = time(nil) + 60
        while gateway.storage.flows.isEmpty, time(nil) < deadline { gateway.step(to: there) }
        let flow = try #require(gateway.storage.flows.first?.value)
        gateway.machine.abort(flow.id, now: gateway.now)
        while gateway.node.tcp.status(id)?.state != .closed, time(nil) < deadline { gateway.step(to: there) }
        #expect(gateway.node.tcp.status(id)?.error == .connectionReset)
        #expect(gateway.storage.flows.isEmpty)
    }
}
