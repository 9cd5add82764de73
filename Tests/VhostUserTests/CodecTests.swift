// The codec: golden bytes, both directions, every truncation, random bytes.

import Bytes
import Linux
import Testing

@testable import VhostUser

@Suite("Codec") struct CodecTests {
    @Test("every request of both channels is what was written, after a way over the wire")
    func roundTrip() throws {
        let messages = try Samples.messages(Request.self)
        #expect(Set(messages.map(\.request.rawValue)) == Set(1...44))
        for message in messages {
            let raw = try #require(
                try received(message.encoded(), as: .requests, descriptors: message.descriptorCount))
            #expect(try Message(parsing: raw) == message)
        }
        let others = try Samples.messages(BackEndRequest.self)
        #expect(Set(others.map(\.request.rawValue)) == Set(1...10))
        for message in others {
            let raw = try #require(
                try received(message.encoded(), as: .requests, descriptors: message.descriptorCount))
            #expect(try BackEndMessage(parsing: raw) == message)
        }
    }

    @Test("every answer is what was written, after a way over the wire")
    func replies() throws {
        for request in Request.allCases {
            guard case .own(let shapes, _) = request.rule.reply else { continue }
            for shape in shapes {
                let reply = Reply(to: request, try Samples.payload(shape))
                let raw = try #require(try received(reply.encoded(), as: .replies))
                #expect(try Reply(parsing: raw, to: request, as: shapes) == reply)
            }
        }
    }

    @Test("SET_VRING_ADDR has used before avail")
    func goldenRingAddress() throws {
        let message = Message.setVringAddress(
            VringAddress(
                index: 1, isLogged: false,
                areas: (descriptorTable: 0x7f3d_329c_3000, availRing: 0x7f3d_329c_4000, usedRing: 0x7f3d_329c_4240),
                logAddress: 0x29c_5240))
        let golden = hex(
            """
            09000000 01000000 28000000  # request 9, version 1, 40 bytes
            01000000 00000000           # ring 1, not logged
            00309c32 3d7f0000           # descriptor table
            40429c32 3d7f0000           # used ring
            00409c32 3d7f0000           # avail ring
            40529c02 00000000           # the used ring's guest address, for the log
            """)
        #expect(message.encoded() == golden)
    }

    @Test("SET_MEM_TABLE names its regions after a count and padding, and asks for an answer by 0x9")
    func goldenMemoryTable() throws {
        let table = try MemoryTable([
            MemoryRegionDescription(guestPhysical: 0, size: 0xa0000, userAddress: 0x7fb8_efff_f000, fileOffset: 0),
            MemoryRegionDescription(
                guestPhysical: 0xc0000, size: 0xff4_0000, userAddress: 0x7fb8_f00b_f000, fileOffset: 0xc0000),
        ])
        let golden = hex(
            """
            05000000 09000000 48000000          # request 5, version 1 and need-reply, 72 bytes
            02000000 00000000                   # two regions, padding
            00000000 00000000 00000a00 00000000 # guest address, size
            00f0ffef b87f0000 00000000 00000000 # user address, file offset
            00000c00 00000000 0000f40f 00000000
            00f00bf0 b87f0000 00000c00 00000000
            """)
        #expect(Message.setMemoryTable(table).needingReply().encoded() == golden)
        #expect(Message.setMemoryTable(table).descriptorCount == 2)
    }

    @Test("short messages have these bytes")
    func goldenSmall() throws {
        #expect(Message.getFeatures.encoded() == hex("01000000 01000000 00000000"))
        #expect(
            Message.setVringKick(index: 1).needingReply().encoded()
                == hex("0c000000 09000000 08000000  01000000 00000000"))
        #expect(
            Message.addMemoryRegion(try Samples.region()).encoded()
                == hex(
                    """
                    25000000 01000000 28000000 0000000000000000  # 40 bytes, padding first
                    0010000000000000 0020000000000000 0010000000700000 0010000000000000
                    """))
        #expect(
            Message.setDeviceStateDescriptor(.load).encoded()
                == hex("2a000000 01000000 08000000 01000000 00000000"))
        #expect(
            Message.sendRARP(0x5634_1200_5452).encoded()
                == hex("13000000 01000000 08000000  52540012 34560000  # the MAC's bytes in order"))
        #expect(
            Reply(to: Request.getFeatures, .u64(0x1_4400_8002)).encoded()
                == hex("01000000 05000000 08000000 02800044 01000000  # what passt answers"))
    }

    @Test("a table that is sent with all eight slots is taken (RW-09)")
    func wholeTable() throws {
        let table = try MemoryTable([Samples.region()])
        var bytes = Message.setMemoryTable(table).encoded()
        bytes += [UInt8](repeating: 0, count: 264 - 40)
        bytes[4 + 4] = 0x08
        bytes[4 + 5] = 0x01  // size 264
        let raw = try #require(try received(bytes, as: .requests, descriptors: 1))
        #expect(try Message(parsing: raw).payload == .memoryTable(table))
    }

    @Test("every truncation of every message is an error or a smaller legal message, never a trap (RW-08)")
    func truncations() throws {
        for message in try Samples.messages(Request.self) {
            let whole = Array(message.encoded().dropFirst(MessageHeader.byteCount))
            for length in 0..<whole.count {
                let raw = ReceivedMessage(
                    header: MessageHeader(
                        request: message.request.rawValue, flags: .request, size: length),
                    payload: Array(whole.prefix(length)), descriptors: openDescriptors(message.descriptorCount))
                guard let parsed = try? Message(parsing: raw) else { continue }
                #expect(parsed.request == .setLogBase || parsed.request == .createCryptoSession)
                #expect(parsed.encoded().count == MessageHeader.byteCount + length)
            }
        }
    }

    @Test("a payload longer than its structure is an error (RW-09)")
    func tooLong() throws {
        for message in try Samples.messages(Request.self) {
            let whole = Array(message.encoded().dropFirst(MessageHeader.byteCount))
            guard message.request.rule.payload != [.opaque], message.payload.shape != .memoryTable else { continue }
            let raw = ReceivedMessage(
                header: MessageHeader(request: message.request.rawValue, flags: .request, size: whole.count + 1),
                payload: whole + [0], descriptors: openDescriptors(message.descriptorCount))
            #expect(throws: MessageError.self) { try Message(parsing: raw) }
        }
    }

    @Test("random payloads are refused or parse to a value that survives another way over the wire")
    func randomBytes() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            let request = UInt32.random(in: 0...46, using: &random)
            let shapes = Request(rawValue: request)?.rule.payload ?? [.u64]
            let size =
                Bool.random(using: &random) ? shapes[0].sizes.lowerBound : Int.random(in: 0...300, using: &random)
            var payload = random.bytes(size)
            // Mostly small numbers: they reach further into the parsers.
            for i in payload.indices where i % 8 > 1 && UInt8.random(in: 0...3, using: &random) > 0 { payload[i] = 0 }
            let raw = ReceivedMessage(
                header: MessageHeader(request: request, flags: .request, size: size), payload: payload)
            guard let message = try? Message(parsing: raw) else { continue }
            let again = try #require(try received(message.encoded(), as: .requests))
            #expect(try Message(parsing: again) == message)
        }
    }

    @Test("values that are not defined are refused with the value")
    func undefinedValues() throws {
        #expect(throws: MessageError.value(field: "number of memory regions", value: 0, accepted: "1 to 8")) {
            try MemoryTable([])
        }
        #expect(throws: MessageError.self) { try MemoryTable(Array(repeating: Samples.region(), count: 9)) }
        #expect(throws: MessageError.self) {
            try MemoryRegionDescription(guestPhysical: .max, size: 2, userAddress: 0, fileOffset: 0)
        }
        #expect(throws: MessageError.self) { try LogRegion(size: 1 << 63, offset: 1 << 63) }
        #expect(throws: MessageError.self) {
            try ConfigurationWindow(offset: 250, bytes: Array(repeating: 0, count: 7))
        }
        let kick = ReceivedMessage(
            header: MessageHeader(request: 12, flags: .request, size: 8), payload: [0, 2, 0, 0, 0, 0, 0, 0])
        #expect(
            throws: MessageError.value(
                field: "ring index with descriptor flag", value: 0x200, accepted: "0 to 0x1ff")
        ) { try Message(parsing: kick) }
    }

    @Test("SET_LOG_BASE may be answered with nothing, with any u64 or with the whole structure (CFE-17)")
    func logBaseAnswers() throws {
        guard case .own(let shapes, _) = Request.setLogBase.rule.reply else {
            Issue.record("SET_LOG_BASE has an answer of its own")
            return
        }
        let answers: [(String, Payload)] = [
            ("06000000 05000000 00000000", .empty),
            ("06000000 05000000 08000000 0020000000000000", .u64(0x2000)),
            (
                "06000000 05000000 10000000 0020000000000000 0000000000000000",
                .log(try LogRegion(size: 0x2000, offset: 0))
            ),
        ]
        for (bytes, payload) in answers {
            let raw = try #require(try received(hex(bytes), as: .replies))
            #expect(try Reply(parsing: raw, to: Request.setLogBase, as: shapes).payload == payload)
        }
        let odd = try #require(try received(hex("06000000 05000000 04000000 00000000"), as: .replies))
        #expect(throws: MessageError.payloadSize(request: "SET_LOG_BASE", size: 4)) {
            try Reply(parsing: odd, to: Request.setLogBase, as: shapes)
        }
    }

    @Test("the number of descriptors must fit the request and its payload")
    func descriptorCounts() throws {
        let table = Message.setMemoryTable(try MemoryTable([Samples.region(), Samples.region(0x10000)]))
        for count in [0, 1, 3] {
            let raw = try #require(try received(table.encoded(), as: .requests, descriptors: count))
            #expect(
                throws: MessageError.descriptorCount(request: "SET_MEM_TABLE", count: count, accepted: 2...2)
            ) { try Message(parsing: raw) }
        }
        let kick = try #require(try received(Message.setVringKick(index: 0).encoded(), as: .requests))
        #expect(throws: MessageError.descriptorCount(request: "SET_VRING_KICK", count: 0, accepted: 1...1)) {
            try Message(parsing: kick)
        }
        let features = try #require(try received(Message.setFeatures(1).encoded(), as: .requests, descriptors: 3))
        #expect(throws: MessageError.descriptorCount(request: "SET_FEATURES", count: 3, accepted: 0...0)) {
            try Message(parsing: features)
        }
    }
}
