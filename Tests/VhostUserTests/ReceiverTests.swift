// The receiver: pieces, early and late descriptors, headers that are not legal.

import Glibc
import Linux
import Testing

@testable import VhostUser

@Suite("Receiver") struct ReceiverTests {
    @Test("a message that comes a byte at a time is put together (RW-01)")
    func bytewise() throws {
        var receiver = MessageReceiver(receiving: .requests)
        let bytes = Message.setVringEnable(index: 1, isOn: true).encoded()
        for (index, byte) in (bytes + bytes).enumerated() {
            let done = try withUnsafeBytes(of: byte) { try receiver.take($0) }
            #expect((done != nil) == (index % bytes.count == bytes.count - 1))
            if let done { #expect(try Message(parsing: done) == .setVringEnable(index: 1, isOn: true)) }
        }
        #expect(receiver.position == .betweenMessages)
    }

    @Test("the next read never crosses into the next message (RW-01)")
    func needed() throws {
        var receiver = MessageReceiver(receiving: .replies)
        #expect(receiver.needed == 12)
        let bytes = Reply(to: Request.getFeatures, .u64(5)).encoded()
        _ = try bytes[..<4].withUnsafeBytes { try receiver.take($0) }
        #expect(receiver.needed == 8)
        #expect(receiver.position == .inHeader(4))
        _ = try bytes[4..<12].withUnsafeBytes { try receiver.take($0) }
        #expect(receiver.needed == 8)
        _ = try bytes[12..<13].withUnsafeBytes { try receiver.take($0) }
        #expect(receiver.position == .inPayload(1, of: 8))
        // More than was asked for is not kept for the next message.
        let message = try (Array(bytes[13...]) + [1, 2, 3]).withUnsafeBytes { try receiver.take($0) }
        #expect(message?.payload.count == 8)
        #expect(receiver.needed == 12)
    }

    @Test("descriptors that come with a later piece belong to the message (RW-01)")
    func lateDescriptors() throws {
        var receiver = MessageReceiver(receiving: .requests)
        let bytes = Message.setVringKick(index: 0).encoded()
        _ = try bytes[..<12].withUnsafeBytes { try receiver.take($0) }
        let message = try bytes[12...].withUnsafeBytes { try receiver.take($0, descriptors: openDescriptors(1)) }
        #expect(try message.map { try Message(parsing: $0) } == .setVringKick(index: 0))
    }

    @Test("a version other than 1 is refused (RW-05)", arguments: [0x0, 0x2, 0x4, 0x6, 0x7] as [UInt32])
    func version(_ flags: UInt32) throws {
        #expect(throws: MessageError.flags(flags, .replies)) { try header(1, flags, 8, .replies) }
    }

    @Test("reserved flag bits, replies among requests and requests among replies are refused (RW-06)")
    func flags() throws {
        for flags in [0x11, 0x15, 0x8000_0005, 0xd] as [UInt32] {
            #expect(throws: MessageError.flags(flags, .replies)) { try header(1, flags, 8, .replies) }
            #expect(throws: MessageError.flags(flags, .requests)) { try header(1, flags, 8, .requests) }
        }
        #expect(throws: MessageError.flags(5, .requests)) { try header(1, 5, 8, .requests) }
        #expect(throws: MessageError.flags(1, .replies)) { try header(1, 1, 8, .replies) }
        #expect(throws: MessageError.flags(9, .replies)) { try header(1, 9, 8, .replies) }
    }

    @Test("a size above the limit is refused before anything of it is kept (RW-07)")
    func size() throws {
        for size in [4097, 0x10000, .max] as [UInt32] {
            #expect(throws: MessageError.tooLarge(size: size)) { try header(1, 5, size, .replies) }
        }
        #expect(try header(1, 5, 4096, .replies) == nil)
        #expect(
            MessageError.tooLarge(size: .max).description
                == "Failed to read msg header. Size 4294967295 exceeds the maximum 4096.")
    }

    @Test("more than eight descriptors are refused, and all of them are closed (RW-15)")
    func tooManyDescriptors() throws {
        for count in [9, 253] {
            var receiver: MessageReceiver? = MessageReceiver(receiving: .replies)
            let probe = try ClosureProbe()
            #expect(throws: MessageError.tooManyDescriptors(count: count)) {
                let descriptors = try probe.copies(count)
                _ = try [1].withUnsafeBytes { try receiver?.take($0, descriptors: descriptors) }
            }
            receiver = nil
            #expect(probe.allAreClosed())
        }
    }

    @Test("descriptors on an answer that has none are closed with the message (RW-13)")
    func strayDescriptors() throws {
        var receiver = MessageReceiver(receiving: .replies)
        let probe = try ClosureProbe()
        do {
            let bytes = Reply(to: Request.getFeatures, .u64(1)).encoded()
            let copies = try probe.copies(3)
            _ = try bytes[..<12].withUnsafeBytes { try receiver.take($0, descriptors: copies) }
            let message = try bytes[12...].withUnsafeBytes { try receiver.take($0) }
            #expect(message?.descriptors.count == 3)
        }
        #expect(probe.allAreClosed())
    }

    @Test("descriptors that the kernel dropped end the connection (RW-15)")
    func lostDescriptors() throws {
        var receiver = MessageReceiver(receiving: .requests)
        #expect(throws: MessageError.descriptorsLost) {
            try [1].withUnsafeBytes { try receiver.take($0, areDescriptorsLost: true) }
        }
    }

    /// Feeds one header.
    private func header(_ request: UInt32, _ flags: UInt32, _ size: UInt32, _ direction: MessageHeader.Direction)
        throws -> ReceivedMessage?
    {
        var writer = FieldWriter()
        for value in [request, flags, size] { writer.u32(value) }
        var receiver = MessageReceiver(receiving: direction)
        return try writer.bytes.withUnsafeBytes { try receiver.take($0) }
    }
}
