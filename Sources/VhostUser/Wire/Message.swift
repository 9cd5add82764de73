// A whole request or reply as a value that cannot be wrong: made by a named constructor or out of
// untrusted bytes by a throwing initialiser that checks number, size, fields and descriptor count.

/// A number that names requests of one channel.
public protocol RequestNumber: RawRepresentable, Sendable, Equatable, CustomStringConvertible
where RawValue == UInt32 {
    /// What the specification says about this request.
    var rule: RequestRule { get }
}

extension Request: RequestNumber {}
extension BackEndRequest: RequestNumber {}

/// A request of the channel that `Number` names.
public struct RequestMessage<Number: RequestNumber>: Equatable, Sendable {
    /// Which request it is.
    public let request: Number
    /// What it carries.
    public let payload: Payload
    /// Descriptors that travel with it.
    public let descriptorCount: Int
    /// VHOST_USER_NEED_REPLY: an answer is asked for (REPLY_ACK).
    public let needsReply: Bool

    /// For the named constructors, which are right by construction.
    init(_ request: Number, _ payload: Payload = .empty, descriptors: Int = 0, needsReply: Bool = false) {
        self.request = request
        self.payload = payload
        descriptorCount = descriptors
        self.needsReply = needsReply
    }

    /// Reads a request out of a received header and payload.
    public init(parsing received: ReceivedMessage) throws(MessageError) {
        let header = received.header
        guard header.flags != .reply else { throw .flags(header.flags.rawValue, .requests) }
        guard let request = Number(rawValue: header.request) else { throw .unknownRequest(header.request) }
        payload = try received.payload(as: request.rule.payload, of: request.description)
        self.request = request
        needsReply = header.flags == .requestNeedingReply
        descriptorCount = received.descriptors.count
        guard request.rule.descriptors.contains(descriptorCount), announcedDescriptors == descriptorCount else {
            throw .descriptorCount(
                request: request.description, count: descriptorCount, accepted: acceptedDescriptors)
        }
    }

    /// What the payload itself says about the number of descriptors.
    private var announcedDescriptors: Int {
        switch payload {
        case .memoryTable(let table): table.regions.count
        case .vringDescriptor(let ring): ring.hasDescriptor ? 1 : 0
        default: descriptorCount
        }
    }

    private var acceptedDescriptors: ClosedRange<Int> {
        switch payload {
        case .memoryTable, .vringDescriptor: announcedDescriptors...announcedDescriptors
        default: request.rule.descriptors
        }
    }

    /// The same request, asking for an acknowledgement when it has no answer of its own.
    public func needingReply(_ needed: Bool = true) -> RequestMessage {
        RequestMessage(
            request, payload, descriptors: descriptorCount, needsReply: needed && request.rule.reply == .acknowledgement
        )
    }

    /// Header and payload as they go over the socket.
    public func encoded() -> [UInt8] {
        encode(request.rawValue, needsReply ? .requestNeedingReply : .request, payload)
    }
}

/// A request from front-end to back-end.
public typealias Message = RequestMessage<Request>
/// A request from back-end to front-end.
public typealias BackEndMessage = RequestMessage<BackEndRequest>

/// The answer to a request of either channel.
public struct Reply: Equatable, Sendable {
    /// The number of the request that is answered.
    public let request: UInt32
    /// What the answer carries.
    public let payload: Payload

    /// For the answering side.
    public init<Number: RequestNumber>(to request: Number, _ payload: Payload) {
        self.request = request.rawValue
        self.payload = payload
    }

    /// Reads what should be the answer to `request`, as one of `shapes`.
    public init<Number: RequestNumber>(
        parsing received: ReceivedMessage, to request: Number, as shapes: [PayloadShape]
    ) throws(MessageError) {
        guard received.header.flags == .reply else { throw .flags(received.header.flags.rawValue, .replies) }
        payload = try received.payload(as: shapes, of: request.description)
        self.request = received.header.request
    }

    /// Header and payload as they go over the socket.
    public func encoded() -> [UInt8] { encode(request, .reply, payload) }
}

private func encode(_ request: UInt32, _ flags: MessageFlags, _ payload: Payload) -> [UInt8] {
    var body = FieldWriter()
    payload.write(to: &body)
    var whole = FieldWriter(capacity: MessageHeader.byteCount + body.bytes.count)
    MessageHeader(request: request, flags: flags, size: body.bytes.count).write(to: &whole)
    whole.bytes(body.bytes)
    return whole.bytes
}
