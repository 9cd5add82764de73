// ramp between two nodes on real rings, and against peers that lose, repeat and change bytes.

import Bytes
import NetStack
import Testing

@testable import GuestNode

/// The definition, in other words than the tool's.
private func ramp(_ range: Range<Int>) -> [UInt8] {
    range.map { index in withUnsafeBytes(of: UInt32(truncatingIfNeeded: index / 4).bigEndian) { $0[index % 4] } }
}

/// Somebody at 10.0.0.2:5000 who says `text` and closes.
private final class Speaker {
    let peer: SimulatedPeer
    var text: [UInt8]
    /// How much of the text is said by which time, from the start of the simulation.
    var schedule: ((Instant) -> Int)?
    private var said = 0
    private var listener: TCPSocketID?
    private var socket: TCPSocketID?

    init(_ text: [UInt8]) throws {
        self.text = text
        peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        peer.behaviour = { [unowned self] host, now in self.step(host, now) }
    }

    private func step(_ host: Host, _ now: Instant) {
        if listener == nil { listener = try? host.tcp.listen(on: 5000) }
        if let listener, socket == nil { socket = host.tcp.accept(listener) }
        guard let socket, host.tcp.status(socket)?.isConnected == true else { return }
        let end = min(text.count, schedule?(now) ?? .max)
        while said < end {
            let count = text[said..<end].withUnsafeBytes { host.tcp.send(socket, $0, now: now).count }
            if count == 0 { break }
            said += count
        }
        if said == text.count { host.tcp.shutdownSend(socket, now: now) }
    }
}

private func runs(_ script: String, against text: [UInt8]) throws -> (output: String, status: Int32?) {
    let node = try SimulatedNode("a", mac: 1)
    try node.configure("10.0.0.1/24")
    let speaker = try Speaker(text)
    let simulation = Simulation(node, speaker.peer)
    simulation.run(for: .milliseconds(10))
    let session = node.node.run(script: script)
    #expect(simulation.run(for: .seconds(300)) { session.exitStatus != nil })
    return (session.takeOutput(), session.exitStatus)
}

@Suite("ramp")
struct RampTests {
    @Test("the stream is what it is said to be, in pieces of every length and place")
    func definition() {
        let whole = ramp(0..<600)
        for start in 0..<24 {
            for length in 0...80 {
                var piece = [UInt8](repeating: 0xee, count: length)
                piece.withUnsafeMutableBytes { RampStream.fill($0, from: UInt64(start)) }
                #expect(piece == Array(whole[start..<start + length]))
                #expect(piece.withUnsafeBytes { RampStream.firstFault($0, from: UInt64(start)) } == nil)
                for wrong in [0, length / 2, length - 1] where length > 0 {
                    var spoiled = piece
                    spoiled[wrong] ^= 0x40
                    #expect(spoiled.withUnsafeBytes { RampStream.firstFault($0, from: UInt64(start)) } == wrong)
                }
            }
        }
        #expect(RampStream.byte(at: 4 * (1 << 32) + 7) == 1)
    }

    @Test("one byte that is lost or repeated anywhere is found within two words")
    func shifted() {
        let whole = ramp(0..<200_000)
        for place in [0, 1, 2, 3, 4, 1021, 1022, 1023, 1024, 65_534, 65_535, 65_536, 131_071, 150_000] {
            for text in [
                Array(whole[..<place] + whole[(place + 1)...]), Array(whole[...place] + whole[place...]),
            ] {
                let fault = text.withUnsafeBytes { RampStream.firstFault($0, from: 0) }
                #expect(fault.map { $0 >= place && $0 < place + 8 } == true, "\(place): \(fault ?? -1)")
            }
        }
    }

    @Test("a stream goes from one node to the other, each reports it")
    func whole() throws {
        let two = try Two()
        #expect(two.run("ramp check -l 5000", "ramp send -n 3M 10.0.0.1 5000"))
        #expect(two.statuses == [0, 0])
        let (first, second) = two.outputs()
        #expect(first.hasPrefix("received 3145728 bytes in ") && first.contains(" s, longest gap "))
        #expect(second.hasPrefix("sent 3145728 bytes in ") && second.hasSuffix(" ms\n"))
    }

    @Test("the listener may be the one who sends")
    func listening() throws {
        let two = try Two()
        #expect(two.run("ramp send -l -n 1000 5000", "ramp check 10.0.0.1 5000"))
        #expect(two.statuses == [0, 0])
        #expect(two.outputs().1.hasPrefix("received 1000 bytes"))
    }

    @Test(
        "the stream takes the time that its rate says, and the reader's rate holds the writer back",
        arguments: [
            ("ramp check -l 5000", "ramp send -n 200000 10.0.0.1 5000 100000"),
            ("ramp check -l 5000 500K", "ramp send -n 1M 10.0.0.1 5000"),
        ])
    func rates(check: String, send: String) throws {
        let two = try Two()
        let before = two.simulation.now
        #expect(two.run(check, send))
        #expect(two.statuses == [0, 0])
        let time = two.simulation.now.since(before)
        #expect(time > .milliseconds(1900) && time < .milliseconds(2400), "\(time)")
        let output = two.outputs().0
        #expect(output.contains(" bytes in 2.0") || output.contains(" bytes in 1.99"), "\(output)")
    }

    @Test("a peer that says too little: nothing, a byte, a word and a half")
    func short() throws {
        let nothing = try runs("ramp check 10.0.0.2 5000", against: [])
        #expect(nothing.status == 1)
        #expect(
            nothing.output == "received 0 bytes in 0.000 s, longest gap 0.000 ms\n"
                + "ramp: the peer has closed before the first byte\n")
        for count in [1, 6] {
            let part = try runs("ramp check 10.0.0.2 5000", against: ramp(0..<count))
            #expect(part.status == 1 && part.output.hasPrefix("received \(count) bytes in "))
            #expect(part.output.hasSuffix("ramp: the peer has closed within a word\n"))
        }
        let counted = try runs("ramp check -n 1000 10.0.0.2 5000", against: ramp(0..<996))
        #expect(counted.status == 1)
        #expect(counted.output.hasSuffix("ramp: the peer has closed after 996 of 1000 bytes\n"))
        let enough = try runs("ramp check -n 6 10.0.0.2 5000; echo $?", against: ramp(0..<20))
        #expect(enough.status == 0 && enough.output.hasPrefix("received 6 bytes in "))
        #expect(try runs("ramp check 10.0.0.2 5000", against: ramp(0..<4)).status == 0)
    }

    @Test("a byte that was changed, lost or repeated is told by its place")
    func faults() throws {
        let good = ramp(0..<100_000)
        var changed = good
        changed[70_001] = 0xff
        let lost = Array(good[..<50_003] + good[50_004...])
        let repeated = Array(good[...7] + good[7...])
        for (text, place, sentence) in [
            (changed, 70_001, "byte 70001 is 0xff, not 0x00"), (lost, 50_003, "byte 50003 is 0x00, not 0xd4"),
            (repeated, 8, "byte 8 is 0x01, not 0x00"),
        ] {
            let run = try runs("ramp check 10.0.0.2 5000", against: text)
            #expect(run.status == 1 && run.output.hasPrefix("received \(place) bytes in "))
            #expect(run.output.hasSuffix("ramp: \(sentence)\n"), "\(run.output)")
        }
    }

    @Test("the longest gap is the longest time without a byte, the one before the first not counted")
    func gap() throws {
        let node = try SimulatedNode("a", mac: 1)
        try node.configure("10.0.0.1/24")
        let speaker = try Speaker(ramp(0..<4000))
        let start = Instant(nanoseconds: 1_000_000_000)
        speaker.schedule = { now in
            let passed = now.since(start).milliseconds
            return passed < 500 ? 0 : passed < 750 ? 400 : 4000
        }
        let simulation = Simulation(node, speaker.peer, Metronome())
        let session = node.node.run(script: "ramp check 10.0.0.2 5000")
        #expect(simulation.run(for: .seconds(10)) { session.exitStatus != nil })
        let output = session.takeOutput()
        let gap = output.split(separator: " ").dropLast().last.flatMap { Double($0) } ?? 0
        #expect(session.exitStatus == 0 && gap > 248 && gap < 254, "\(output)")
    }

    @Test("whoever nobody answers, and who is refused, says so")
    func unanswered() throws {
        let two = try Two()
        let session = two.b.node.run(script: "ramp send 10.0.0.1 5000")
        two.simulation.run(for: .seconds(5)) { session.exitStatus != nil }
        #expect(session.takeOutput() == "ramp: connect to 10.0.0.1 port 5000 (tcp) failed: Connection refused\n")
        #expect(session.exitStatus == 1)
        let other = two.b.node.run(script: "ramp check no.such.name 5000")
        two.simulation.run(for: .seconds(60)) { other.exitStatus != nil }
        #expect(other.exitStatus == 1 && other.takeOutput().hasPrefix("ramp: no.such.name: "))
    }

    @Test("a time ends both: the stream has whole words, and what was seen is right")
    func duration() throws {
        let two = try Two()
        #expect(two.run("ramp check -l 5000", "ramp send -t 1 10.0.0.1 5000 1001"))
        #expect(two.statuses == [0, 0])
        let bytes = two.outputs().0.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? -1
        #expect(bytes % 4 == 0 && abs(bytes - 1001) < 10)
        #expect(two.run("ramp check -l -t 1 5001", "ramp send 10.0.0.1 5001 1000"))
        #expect(two.statuses == [0, 1])
        let (first, second) = two.outputs()
        #expect(first.contains(" in 1.0") && second.hasSuffix("ramp: Connection reset by peer\n"))
    }

    @Test("Ctrl-C reports, too, and the peer sees a stream of whole words")
    func interrupt() throws {
        let two = try Two()
        let listener = two.a.node.run(script: "ramp check -l 5000")
        two.simulation.run(for: .milliseconds(10))
        two.b.node.console.input("ramp send 10.0.0.1 5000 999\r")
        two.simulation.run(for: .milliseconds(1501))
        two.b.node.console.input("\u{3}")
        #expect(two.simulation.run(for: .seconds(10)) { listener.exitStatus != nil })
        #expect(listener.exitStatus == 0, "\(listener.takeOutput())")
        two.b.node.console.input("echo $?\r")
        two.simulation.run(for: .milliseconds(10))
        let typed = two.b.node.console.takeOutput()
        #expect(typed.contains("sent 1") && typed.contains(" bytes in 1.") && typed.contains("\r\n130\r\n"))
    }

    @Test("the time of a move is in the gap and in the time", arguments: ["", " 3000"])
    func moved(rate: String) throws {
        let node = try SimulatedNode("a", mac: 1)
        try node.configure("10.0.0.1/24")
        let speaker = try Speaker(ramp(0..<4000))
        speaker.schedule = { Int($0.since(Instant(nanoseconds: 1_000_000_000)).milliseconds) * 4 }
        let traveller = Traveller(node)
        let simulation = Simulation(traveller, speaker.peer, Metronome())
        node.node.run(script: "ramp check 10.0.0.2 5000\(rate)")
        simulation.run(for: .milliseconds(500))
        // The node's clock stands still while two seconds pass outside.
        try traveller.move(simulation.now, to: 77_000)
        traveller.node.node.wasAway(for: .seconds(2))
        #expect(simulation.run(for: .seconds(10)) { traveller.node.node.script?.exitStatus != nil })
        let output = traveller.node.node.script?.takeOutput() ?? ""
        #expect(output.hasPrefix("received 4000 bytes in "), "\(output)")
        let words = output.split(separator: " ")
        let time = words.dropFirst(4).first.flatMap { Double($0) } ?? 0
        let gap = words.dropLast().last.flatMap { Double($0) } ?? 0
        #expect(time >= 2.9 && time < 3.5 && gap >= 2000 && gap < 2100, "\(output)")
        #expect(traveller.node.node.script?.exitStatus == 0)
    }

    @Test("several streams at once are one report; one that nobody takes is said, and the others go on")
    func several() throws {
        let node = try SimulatedNode("a", mac: 1)
        try node.configure("10.0.0.1/24")
        let peer = try SimulatedPeer("10.0.0.2/24", mac: 2)
        var (listener, open, heard): (TCPSocketID?, [TCPSocketID], [TCPSocketID: [UInt8]]) = (nil, [], [:])
        peer.behaviour = { host, now in
            if listener == nil { listener = try? host.tcp.listen(on: 5000) }
            while let listener, let socket = host.tcp.accept(listener) {
                // The third caller is turned away.
                if open.count == 2 { host.tcp.abort(socket, now: now) }
                open.append(socket)
            }
            var room = [UInt8](repeating: 0, count: 3000)
            for socket in open {
                let count = room.withUnsafeMutableBytes { host.tcp.receive(socket, into: $0, now: now).count }
                heard[socket, default: []] += room[..<count]
                if host.tcp.status(socket)?.isEOF == true { host.tcp.shutdownSend(socket, now: now) }
            }
        }
        let simulation = Simulation(node, peer)
        simulation.run(for: .milliseconds(10))
        let session = node.node.run(script: "ramp send -P 6 -n 20000 10.0.0.2 5000")
        #expect(simulation.run(for: .seconds(100)) { session.exitStatus != nil })
        let output = session.takeOutput()
        #expect(output.contains(" bytes in 6 streams in ") && session.exitStatus == 1, "\(output)")
        #expect(output.contains("ramp: Connection reset by peer\n"), "\(output)")
        simulation.run(for: .seconds(5)) { open.count { heard[$0]?.count == 20_000 } == 5 }
        #expect(open.count == 6 && open.count { heard[$0] == ramp(0..<20_000) } == 5)
    }

    @Test(
        "arguments that make no sense are refused with what is accepted",
        arguments: [
            ("", "missing send or check"), ("read 10.0.0.1 5", "command 'read': send or check is accepted"),
            ("send", "missing HOST and PORT"), ("send 10.0.0.1", "missing PORT"), ("check -l", "missing PORT"),
            ("check 10.0.0.1 0", "port '0': 1…65535 is accepted"),
            ("send 10.0.0.1 5 0", "RATE '0': bytes such as 1000, 64K, 100M up to 64G are accepted"),
            ("send 10.0.0.1 5 65G", "RATE '65G': bytes such as 1000, 64K, 100M up to 64G are accepted"),
            ("send -n x 10.0.0.1 5", "-n 'x': bytes such as 1000, 64K, 100M are accepted"),
            ("send -P 0 10.0.0.1 5", "-P '0': 1…1000 is accepted"),
            ("check -l -P 2 5", "-P '2': 1 is accepted beside -l"),
            ("send 10.0.0.1 5 1K more", "unexpected 'more'"), ("send -k 10.0.0.1 5", "unknown option -k"),
        ])
    func usage(words: String, sentence: String) throws {
        let node = try SimulatedNode("a", mac: 1)
        let session = node.node.run(script: "ramp \(words)")
        Simulation(node).run(for: .seconds(6)) { session.exitStatus != nil }
        let output = session.takeOutput()
        #expect(output.hasPrefix("ramp: \(sentence)\nusage: ramp send|check") && session.exitStatus == 2, "\(output)")
    }
}

/// A turn for everybody each millisecond.
private final class Metronome: Station {
    private var next = Instant(nanoseconds: 0)
    func turn(_ now: Instant) -> [[UInt8]] {
        next = now + .milliseconds(1)
        return []
    }
    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool { true }
    var nextDeadline: Instant? { next }
}

/// A station whose node can go on in another one.
final class Traveller: Station {
    private(set) var node: SimulatedNode
    private var lead: UInt64 = 0

    init(_ node: SimulatedNode) { self.node = node }

    private func here(_ now: Instant) -> Instant { Instant(nanoseconds: now.nanoseconds &+ lead) }

    func move(_ now: Instant, to clock: UInt64) throws {
        node = try node.moved(now: here(now), to: Instant(nanoseconds: clock))
        lead = clock &- now.nanoseconds
    }

    func turn(_ now: Instant) -> [[UInt8]] { node.turn(here(now)) }
    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool { node.arrive(frame, here(now)) }
    var nextDeadline: Instant? {
        guard let next = node.nextDeadline, next.nanoseconds > 0 else { return node.nextDeadline }
        return Instant(nanoseconds: next.nanoseconds &- lead)
    }
}
