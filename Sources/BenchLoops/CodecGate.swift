// Instructions per vhost-user message: a whole start of a device, each message written, received in one
// piece and parsed.

import VhostUser

enum CodecGate {
    static let gate = Gate(name: "codec", unit: "message", run: run)

    /// 200 starts of one queue pair, without the messages that carry descriptors.
    static func run() -> Int {
        var count = 0
        for _ in 0..<200 {
            for message in messages where passes(message) { count += 1 }
            for reply in replies where passes(reply) { count += 1 }
        }
        return count
    }

    private static let messages: [Message] = [
        .getFeatures, .getProtocolFeatures, .setProtocolFeatures(.frontEnd), .setOwner, .getFeatures,
        .setVringEnable(index: 0, isOn: true), .setVringEnable(index: 1, isOn: true), .setFeatures(0x1_4000_8002),
        .setVringNum(index: 0, size: 256), .setVringBase(index: 0, base: 0), .setVringAddress(address),
        .setVringNum(index: 1, size: 256), .setVringBase(index: 1, base: 0), .setVringAddress(address),
        .getVringBase(index: 0), .getVringBase(index: 1),
    ]

    private static let replies: [Reply] = [
        Reply(to: Request.getFeatures, .u64(0x1_4400_8002)), Reply(to: Request.setVringEnable, .u64(0)),
        Reply(to: Request.getVringBase, .vringState(VringState(index: 0, num: 7))),
    ]

    private static let address = VringAddress(
        index: 0, isLogged: false, areas: (descriptorTable: 0x1000, availRing: 0x2000, usedRing: 0x3000),
        logAddress: 0x3000)

    private static func passes(_ message: Message) -> Bool {
        guard let received = receive(message.encoded(), as: .requests) else { return false }
        return (try? Message(parsing: received)) == message
    }

    private static func passes(_ reply: Reply) -> Bool {
        guard let received = receive(reply.encoded(), as: .replies), let request = Request(rawValue: reply.request)
        else { return false }
        return (try? Reply(parsing: received, to: request, as: [reply.payload.shape])) == reply
    }

    private static func receive(_ bytes: [UInt8], as direction: MessageHeader.Direction) -> ReceivedMessage? {
        var receiver = MessageReceiver(receiving: direction)
        return bytes.withUnsafeBytes { raw in
            let header = UnsafeRawBufferPointer(rebasing: raw[..<MessageHeader.byteCount])
            if let whole = try? receiver.take(header) { return whole }
            return try? receiver.take(UnsafeRawBufferPointer(rebasing: raw[MessageHeader.byteCount...]))
        }
    }
}
