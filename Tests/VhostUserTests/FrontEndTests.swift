// The shell over a real socket, with a back-end that works on real rings: traffic, stops, deaths, reconnects.

import Bytes
import CLinux
import Glibc
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("Front-end over a socket") struct FrontEndTests {
    @Test(
        "frames pass both ways with each kind of back-end",
        arguments: [ScriptedBackEnd.passt, .old, .everything])
    func traffic(_ script: ScriptedBackEnd) throws {
        let bench = try WireBench()
        try bench.boot(script)
        for number in 0..<1000 { bench.guest.send(WireBench.frame(number)) }
        try bench.run("1000 answers") { bench.guest.received.count >= 1000 }
        #expect(bench.guest.received == (0..<1000).map { WireBench.answer($0) })
        #expect(bench.guest.isLinkUp)
        #expect(bench.disconnections.isEmpty)
    }

    @Test("answers that come in pieces are put together (RW-01)", arguments: [1, 5, 12, 13])
    func pieces(_ size: Int) throws {
        let bench = try WireBench()
        try bench.boot(.everything) { $0.pieceSize = size }
        bench.guest.send(WireBench.frame(1))
        try bench.run("an answer") { bench.receivedNumbers == [1] }
    }

    @Test("the kick is readable and the memory is ours when the back-end gets them (CFE-06, CFE-23)")
    func descriptors() throws {
        let bench = try WireBench()
        try bench.connect(.everything)
        try bench.run("the handshake", workOnRings: false) { bench.frontEnd.isConnected }
        try bench.guest.boot()
        try bench.run("running rings", workOnRings: false) { bench.frontEnd.state == .running }
        let rings = try required(bench.backEnd, "back-end").rings
        for index in 0..<2 {
            var count: UInt64 = 0
            let kick = try required(rings[index]?.kick, "kick")
            #expect(read(kick.raw, &count, 8) == 8)
            #expect(rings[index]?.error != nil)
            #expect(rings[index]?.isEnabled == true)
        }
        #expect(bench.backEnd?.regions.map(\.userAddress) == [MemoryRegion.userAddressBase])
    }

    @Test("memory of which a process has a copy of its own is refused (CFE-23)")
    func shareable() throws {
        let file = FileDescriptor(owning: ne_memfd_create("private"))
        #expect(ftruncate(file.raw, 1 << 20) == 0)
        let memory = try GuestMemory(inARow: [SharedMemory(file, size: 1 << 20, isShared: false)])
        let reactor = try Reactor()
        #expect(throws: VhostUserError.memoryNotShared) { _ = try FrontEnd(reactor: reactor, memory: memory) }
        #expect(
            VhostUserError.memoryNotShared.description
                == "vhost-user needs guest memory that can be shared (share=on)")
    }

    @Test("a stop gives the bases back, and a start goes on exactly there (CFE-08)")
    func stopAndStart() throws {
        let bench = try WireBench()
        try bench.boot(.passt)
        for number in 0..<300 { bench.guest.send(WireBench.frame(number)) }
        try bench.run("300 answers") { bench.guest.received.count == 300 }
        var isSuspended = false
        bench.device.suspend { isSuspended = true }
        try bench.run("the stop") { isSuspended }
        #expect(bench.frontEnd.state == .ready)
        // Sent while nobody works on the ring.
        for number in 300..<320 { bench.guest.send(WireBench.frame(number)) }
        bench.device.resume()
        try bench.run("20 more") { bench.guest.received.count >= 320 }
        #expect(bench.receivedNumbers == Array(0..<320))
        #expect(bench.backEnd?.script.log.contains(.setVringBase(index: 1, base: 300)) == true)
    }

    @Test("an impossible base is replaced by the used index and told (RF-10)", arguments: [99, 0xffff, 0x1_0000])
    func impossibleBase(_ answer: UInt32) throws {
        let bench = try WireBench()
        try bench.boot(.passt)
        bench.guest.send(WireBench.frame(0))
        try bench.run("an answer") { bench.guest.received.count == 1 }
        bench.backEnd?.claimedBase = answer
        var bases: [RingPosition] = []
        bench.frontEnd.stop { bases = $0 }
        try bench.run("the stop") { !bases.isEmpty }
        // Ring 0 has used one buffer; 256 more are posted, so 99 is possible.
        #expect(bases == [answer == 99 ? 99 : 1, 1])
        let warnings = bench.events.filter { if case .warning = $0 { true } else { false } }
        #expect(warnings.count == (answer == 99 ? 0 : 1))
    }

    @Test("a back-end that dies takes the link down; the next one goes on, nothing that was queued is lost (CFE-11)")
    func death() throws {
        let bench = try WireBench()
        try bench.boot(.passt)
        for number in 0..<40 { bench.guest.send(WireBench.frame(number)) }
        try bench.run("40 answers") { bench.guest.received.count == 40 }
        // Ten frames are taken and never given back: they die with the back-end.
        bench.backEnd?.responder?.holdsFrames = true
        for number in 40..<50 { bench.guest.send(WireBench.frame(number)) }
        try bench.run("frames taken") { bench.backEnd?.responder?.taken == 50 }
        bench.kill()
        try bench.run("the end") { !bench.disconnections.isEmpty }
        #expect(bench.disconnections == [.endOfFile])
        #expect(!bench.guest.isLinkUp)
        #expect(bench.frontEnd.features == 0)
        for number in 50..<80 { bench.guest.send(WireBench.frame(number)) }
        try bench.connect(.passt)
        try bench.run("all answers") { Set(bench.receivedNumbers) == Set(0..<80) }
        #expect(bench.guest.isLinkUp)
        #expect(bench.guest.resets == 0)
        #expect(bench.backEnd?.script.log.contains(.setVringBase(index: 1, base: 40)) == true)
        #expect(bench.receivedNumbers == Array(0..<80))
    }

    @Test("a back-end that dies a hundred times at any moment costs no frame (CFE-11)")
    func manyDeaths() throws {
        let bench = try WireBench()
        try bench.boot(.everything)
        var random = SeededGenerator(seed: 11)
        var sent = 0
        for _ in 0..<100 {
            for _ in 0..<Int.random(in: 1...60, using: &random) {
                bench.guest.send(WireBench.frame(sent))
                sent += 1
            }
            bench.backEnd?.responder?.budget =
                (bench.backEnd?.responder?.taken ?? 0) + Int.random(in: 0...50, using: &random)
            bench.backEnd?.responder?.holdsFrames = Bool.random(using: &random)
            for _ in 0..<Int.random(in: 0...5, using: &random) { try bench.turn() }
            bench.kill()
            try bench.connect(.everything)
            for _ in 0..<Int.random(in: 0...40, using: &random) { try bench.turn() }
        }
        try bench.run("all answers") { Set(bench.receivedNumbers).count == sent }
        #expect(bench.guest.resets == 0)
    }

    @Test("a new connection closes the old one's socket and channel")
    func replacement() throws {
        let bench = try WireBench()
        try bench.boot(.everything)
        let old = try required(bench.backEnd, "back-end")
        let channel = try required(old.channel, "channel")
        try bench.connect(.everything)
        try bench.run("the handshake") { bench.frontEnd.isConnected }
        try old.turn()
        #expect(old.isOver)
        var byte: UInt8 = 0
        #expect(recv(channel.raw, &byte, 1, CInt(MSG_DONTWAIT)) == 0)
        #expect(bench.disconnections == [.closedByOwner])
        bench.guest.send(WireBench.frame(3))
        try bench.run("an answer") { bench.receivedNumbers == [3] }
    }

    @Test("a back-end that offers less than was negotiated makes the driver start over, and frames still arrive")
    func lessFeatures() throws {
        let bench = try WireBench()
        try bench.boot(.everything)
        bench.guest.send(WireBench.frame(1))
        try bench.run("an answer") { bench.receivedNumbers == [1] }
        bench.kill()
        try bench.run("the end") { !bench.disconnections.isEmpty }
        bench.guest.send(WireBench.frame(2))
        try bench.connect(.passt)
        try bench.run("the second answer") { bench.receivedNumbers == [1, 2] }
        #expect(bench.guest.resets == 1)
    }

    @Test("a cut at every message over the socket is survived, and the next back-end serves (CFE-12)")
    func cuts() throws {
        // Handshake and start are 30 messages.
        for cut in 0..<30 {
            let bench = try WireBench()
            var script = ScriptedBackEnd.everything
            script.endsAtMessage = cut
            try bench.connect(script)
            try bench.run("ready or over") { bench.frontEnd.isConnected || !bench.disconnections.isEmpty }
            if bench.frontEnd.isConnected { try bench.guest.boot() }
            try bench.run("the end") { !bench.disconnections.isEmpty }
            try bench.connect(.everything)
            try bench.run("the handshake") { bench.frontEnd.isConnected }
            if bench.device.status.isEmpty { try bench.guest.boot() }
            bench.guest.send(WireBench.frame(cut))
            try bench.run("an answer") { bench.receivedNumbers == [cut] }
        }
    }

    @Test("a stop that the back-end does not survive is done with the used indices (CFE-08)")
    func deathInStop() throws {
        let bench = try WireBench()
        try bench.boot(.passt)
        for number in 0..<7 { bench.guest.send(WireBench.frame(number)) }
        try bench.run("answers") { bench.guest.received.count == 7 }
        var bases: [RingPosition] = []
        bench.frontEnd.stop { bases = $0 }
        bench.kill()
        try bench.run("the end") { !bench.disconnections.isEmpty && !bases.isEmpty }
        #expect(bases == [7, 7])
    }

    @Test("a stop without a connection is done at once")
    func stopWithoutConnection() throws {
        let bench = try WireBench()
        var bases: [RingPosition]?
        bench.frontEnd.stop { bases = $0 }
        try bench.reactor.turn(maxWaitNanoseconds: 0)
        #expect(bases == [])
    }

    @Test("a back-end that never answers is given up by the shell's timer (RF-16)")
    func silence() throws {
        let bench = try WireBench { $0.requestDeadline = .milliseconds(1) }
        var script = ScriptedBackEnd.passt
        script.faults[.getProtocolFeatures] = (0, .silence)
        try bench.connect(script)
        try bench.run("the end") {
            usleep(100)
            return !bench.disconnections.isEmpty
        }
        #expect(bench.disconnections == [.timeout(.getProtocolFeatures, after: .milliseconds(1))])
    }

    @Test("a back-end that does not read is given up, the loop goes on (RW-20)")
    func fullSocket() throws {
        let bench = try WireBench { $0.sendLimit = 4096 }
        // SEND_RARP without acknowledgements: nothing holds the sender back but the socket.
        try bench.boot(ScriptedBackEnd(features: 0x1_4400_8002, protocolFeatures: 4))
        var sent = 0
        while bench.frontEnd.state == .running, sent < 100_000 {
            bench.frontEnd.announce(macAddress: 1)
            sent += 1
        }
        try bench.reactor.turn(maxWaitNanoseconds: 0)
        guard case .sendQueueFull(let bytes) = bench.disconnections.last else {
            Issue.record("after \(sent) messages: \(bench.disconnections)")
            return
        }
        #expect((4096 - 19...4096).contains(bytes))
        #expect(bench.disconnections.count == 1)
    }
}
