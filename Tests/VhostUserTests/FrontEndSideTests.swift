// What a back-end does beside the messages of the main channel, over a real socket: eventfds, stray descriptors, a channel
// of its own. Nothing of it holds the loop up or costs a descriptor.

import Bytes
import CLinux
import Glibc
import Linux
import TestSupport
import Testing
import Virtio

@testable import VhostUser

@Suite("Front-end over a socket: eventfds, descriptors, the second channel") struct FrontEndSideTests {
    @Test("a broken ring that the back-end tells of is told to the owner")
    func ringError() throws {
        let bench = try WireBench()
        try bench.boot(.passt)
        let error = try required(bench.backEnd?.rings[1]?.error, "error descriptor")
        var one: UInt64 = 1
        #expect(write(error.raw, &one, 8) == 8)
        try bench.run("the event") { bench.events.contains(.ringFailed(queue: 1)) }
        #expect(bench.frontEnd.state == .running)
    }

    @Test("a back-end that makes the shared eventfds wait and fills them holds nobody up")
    func blockingEvents() throws {
        try mustReturn {
            let bench = try WireBench(isPolling: false)
            try bench.boot(.passt)
            let rings = try required(bench.backEnd?.rings, "rings")
            for index in 0..<2 {
                for event in [rings[index]?.kick, rings[index]?.call, rings[index]?.error].compactMap({ $0 }) {
                    // One description for both sides: these are its flags for the front-end, too.
                    #expect(fcntl(event.raw, F_SETFL, 0) == 0)
                    var almostFull = UInt64.max - 1
                    while poll(event.raw) { _ = read(event.raw, &almostFull, 8) }
                    almostFull = .max - 1
                    #expect(write(event.raw, &almostFull, 8) == 8)
                }
            }
            for _ in 0..<200 {
                bench.device.notify(queue: 0)
                bench.device.notify(queue: 1)
                try bench.reactor.turn(maxWaitNanoseconds: 0)
            }
            #expect(bench.frontEnd.state == .running && bench.disconnections.isEmpty)
            bench.kill()
            try bench.run("the end") { !bench.disconnections.isEmpty }
        }
    }

    @Test("a call that the back-end takes back at once is a call, and holds nobody up")
    func stolenCall() throws {
        try mustReturn {
            let bench = try WireBench(isPolling: false)
            try bench.boot(.passt)
            let call = try required(bench.backEnd?.rings[0]?.call, "call")
            #expect(fcntl(call.raw, F_SETFL, 0) == 0)
            for _ in 0..<10 { try bench.turn() }
            let before = bench.device.signals(queue: 0).calls
            var word: UInt64 = 1
            #expect(write(call.raw, &word, 8) == 8)
            try bench.reactor.turn(maxWaitNanoseconds: 0)
            #expect(bench.device.signals(queue: 0).calls == before + 1)
            try bench.reactor.turn(maxWaitNanoseconds: 0)
            #expect(bench.device.signals(queue: 0).calls == before + 1, "told once, although nobody read it")
            #expect(write(call.raw, &word, 8) == 8)
            while poll(call.raw) { _ = read(call.raw, &word, 8) }
            try bench.reactor.turn(maxWaitNanoseconds: 0)
        }
    }

    @Test("what a back-end did to its eventfds is gone with it: the next one gets others")
    func freshEvents() throws {
        let bench = try WireBench()
        try bench.boot(.passt)
        let old = try required(bench.backEnd?.rings[1]?.kick, "kick")
        bench.kill()
        try bench.run("the end") { !bench.disconnections.isEmpty }
        try bench.connect(.passt)
        try bench.run("rings again") { bench.frontEnd.state == .running }
        while poll(old.raw) {
            var word: UInt64 = 0
            _ = read(old.raw, &word, 8)
        }
        bench.device.notify(queue: 1)
        #expect(!poll(old.raw), "a kick for the successor does not reach its predecessor")
        #expect(poll(try required(bench.backEnd?.rings[1]?.kick, "kick").raw))
    }

    private func poll(_ descriptor: CInt) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&waiting, 1, 0) == 1 && waiting.revents & Int16(POLLIN) != 0
    }

    @Test(
        "descriptors of a message that the back-end's own channel refuses are closed at once (RF-15)",
        arguments: [9, 253])
    func refusedDescriptors(count: Int) throws {
        let bench = try WireBench()
        try bench.boot(.everything)
        let channel = try required(bench.backEnd?.channel, "channel")
        let probe = try ClosureProbe()
        do {
            let copies = try probe.copies(count)
            #expect(try UnixSocket.send(channel.raw, message: hex("01000000 01"), descriptors: copies.map(\.raw)))
        }
        for _ in 0..<10 { try bench.turn() }
        #expect(probe.allAreClosed(), "while the main connection lives")
        #expect(bench.disconnections.isEmpty)
    }

    @Test("stray descriptors of a back-end are closed, however many (RW-13, RW-15)")
    func strayDescriptors() throws {
        for count in [3, 8, 9, 253] {
            let bench = try WireBench()
            try bench.boot(.passt)
            let probe = try ClosureProbe()
            do {
                let copies = try probe.copies(count)
                bench.backEnd?.inject(hex("01000000 05"), descriptors: copies.map(\.raw))
            }
            for _ in 0..<10 { try bench.turn() }
            #expect((bench.disconnections.isEmpty) == (count <= 8))
            // A connection with half a message keeps its descriptors until its end.
            bench.frontEnd.disconnect()
            for _ in 0..<10 { try bench.turn() }
            #expect(bench.disconnections.count == 1)
            #expect(probe.allAreClosed())
        }
    }

    @Test("the back-end's own channel answers 1, is closed after a fault, and the main channel lives (RF-15)")
    func backEndChannel() throws {
        let bench = try WireBench()
        try bench.boot(.everything)
        let channel = try required(bench.backEnd?.channel, "channel")
        for message in try Samples.messages(BackEndRequest.self) where message.descriptorCount == 0 {
            let bytes = message.encoded()
            #expect(send(channel.raw, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count)
            try bench.turn()
            var answer = [UInt8](repeating: 0, count: 64)
            let size = recv(channel.raw, &answer, answer.count, CInt(MSG_DONTWAIT))
            #expect(size == (message.needsReply ? 20 : -1))
            if message.needsReply {
                #expect(Array(answer.prefix(20)) == Reply(to: message.request, .u64(1)).encoded())
            }
        }
        let nonsense = hex("01000000 01000000 ffffffff")
        #expect(send(channel.raw, nonsense, nonsense.count, CInt(MSG_NOSIGNAL)) == 12)
        try bench.run("the end of the channel") {
            bench.events.contains { if case .warning(let text) = $0 { text.contains("own channel") } else { false } }
        }
        bench.guest.send(WireBench.frame(5))
        try bench.run("an answer") { bench.receivedNumbers == [5] }
        #expect(bench.disconnections.isEmpty)
    }

    @Test("a flood on the back-end's own channel ends the channel only (RF-15)")
    func floodedChannel() throws {
        let bench = try WireBench()
        try bench.boot(.everything)
        let channel = try required(bench.backEnd?.channel, "channel")
        let bytes = BackEndMessage(.configurationChanged).encoded()
        for _ in 0..<(BackEndChannel.maximumRequests + 100) {
            _ = send(channel.raw, bytes, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            try bench.reactor.turn(maxWaitNanoseconds: 0)
        }
        #expect(bench.events.contains(.warning("the vhost-user back-end's own channel is closed: too many requests")))
        #expect(bench.disconnections.isEmpty)
    }
}
