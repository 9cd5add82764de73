// Feeds arbitrary bytes to the vhost-user codec: receiver, requests of both channels, answers. What parses
// must be the same value after another way over the wire. The first byte of the input says in which
// pieces the rest arrives, the second how many descriptors come with the first piece.

import FuzzMain
import Glibc
import Linux
import VhostUser

@_cdecl("fuzz_vhost_codec_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { VhostCodec.run($0) }
}

enum VhostCodec {
    static let descriptors = (0..<9).map { _ in
        SharedDescriptor(FileDescriptor(owning: open("/dev/null", O_RDONLY | O_CLOEXEC)))
    }

    static func run(_ input: UnsafeBufferPointer<UInt8>) {
        guard input.count > 2 else { return }
        for direction in [MessageHeader.Direction.requests, .replies] {
            receive(Array(input.dropFirst(2)), piece: Int(input[0]) + 1, descriptors: Int(input[1]) % 10, direction)
        }
    }

    static func receive(_ bytes: [UInt8], piece: Int, descriptors count: Int, _ direction: MessageHeader.Direction) {
        var receiver = MessageReceiver(receiving: direction)
        var rest = bytes[...]
        var attached = Array(descriptors.prefix(count))
        while !rest.isEmpty {
            let part = Array(rest.prefix(min(piece, receiver.needed)))
            rest = rest.dropFirst(part.count)
            guard let message = try? part.withUnsafeBytes({ try receiver.take($0, descriptors: attached) }) else {
                if part.isEmpty || receiver.needed <= 0 { return }
                attached = []
                continue
            }
            attached = []
            check(message, direction)
        }
    }

    static func check(_ received: ReceivedMessage, _ direction: MessageHeader.Direction) {
        if direction == .replies { return checkReply(received) }
        checkRequest(received, Request.self)
        checkRequest(received, BackEndRequest.self)
    }

    static func checkRequest<Number: RequestNumber>(_ received: ReceivedMessage, _: Number.Type) {
        guard let message = try? RequestMessage<Number>(parsing: received) else { return }
        let again = parse(message.encoded(), .requests, received.descriptors)
        guard let again, (try? RequestMessage<Number>(parsing: again)) == message else {
            fatalError("\(message) is another one after its way over the wire")
        }
    }

    static func checkReply(_ received: ReceivedMessage) {
        guard let request = Request(rawValue: received.header.request) else { return }
        var shapes: [PayloadShape] = [.u64]
        if case .own(let own, _) = request.rule.reply { shapes = own }
        guard let reply = try? Reply(parsing: received, to: request, as: shapes) else { return }
        let again = parse(reply.encoded(), .replies, [])
        guard let again, (try? Reply(parsing: again, to: request, as: shapes)) == reply else {
            fatalError("\(reply) is another one after its way over the wire")
        }
    }

    static func parse(_ bytes: [UInt8], _ direction: MessageHeader.Direction, _ descriptors: [SharedDescriptor])
        -> ReceivedMessage?
    {
        var receiver = MessageReceiver(receiving: direction)
        let header = Array(bytes.prefix(MessageHeader.byteCount))
        let early = try? header.withUnsafeBytes { try receiver.take($0, descriptors: descriptors) }
        if let early { return early }
        return try? Array(bytes.dropFirst(MessageHeader.byteCount)).withUnsafeBytes { try receiver.take($0) }
    }
}
