// What can be wrong with the bytes of a message. Values go along, so that the text can say what
// came and what is accepted.

/// Why bytes are not a vhost-user message.
public enum MessageError: Error, Equatable, Sendable {
    /// The flags are not legal for what this end of the channel receives.
    case flags(UInt32, MessageHeader.Direction)
    /// The payload is larger than `MessageHeader.maximumPayload`.
    case tooLarge(size: UInt32)
    /// No request of this number is defined on the channel.
    case unknownRequest(UInt32)
    /// The payload size does not fit the structure that the request carries.
    case payloadSize(request: String, size: Int)
    /// A structure ends early.
    case truncated(structure: String, available: Int)
    /// A field has a value that is not defined.
    case value(field: String, value: UInt64, accepted: String)
    /// The number of descriptors does not fit the request.
    case descriptorCount(request: String, count: Int, accepted: ClosedRange<Int>)
    /// More descriptors than any message carries.
    case tooManyDescriptors(count: Int)
    /// The kernel dropped descriptors (MSG_CTRUNC).
    case descriptorsLost
}

extension MessageError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .flags(let flags, .replies):
            "Failed to read msg header. Flags 0x\(String(flags, radix: 16)) instead of 0x5."
        case .flags(let flags, .requests):
            "Failed to read msg header. Flags 0x\(String(flags, radix: 16)) instead of 0x1 or 0x9."
        case .tooLarge(let size):
            "Failed to read msg header. Size \(size) exceeds the maximum \(MessageHeader.maximumPayload)."
        case .unknownRequest(let number): "Received unexpected msg type: \(number)."
        case .payloadSize(let request, let size): "\(request) with a payload of \(size) bytes"
        case .truncated(let structure, let available): "\(structure) ends after \(available) bytes"
        case .value(let field, let value, let accepted):
            "\(field) is 0x\(String(value, radix: 16)); accepted: \(accepted)"
        case .descriptorCount(let request, let count, let accepted):
            "\(request) with \(count) descriptors; accepted: \(accepted.lowerBound) to \(accepted.upperBound)"
        case .tooManyDescriptors(let count):
            "a message with \(count) descriptors; at most \(MessageReceiver.maximumDescriptors) are accepted"
        case .descriptorsLost: "descriptors of a message were lost (MSG_CTRUNC)"
        }
    }
}
