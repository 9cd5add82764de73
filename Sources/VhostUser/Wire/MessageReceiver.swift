// Puts messages together from whatever pieces a stream socket delivers, and keeps the descriptors that
// come along. A size is checked before a byte of payload is kept; a descriptor that nobody takes is
// closed by its owner's end. No system call is made here.

import Linux

/// A message as it came: header checked, payload not yet looked into, descriptors owned.
public struct ReceivedMessage: Sendable {
    /// Checked: version, direction and size make sense.
    public let header: MessageHeader
    /// As many bytes as the header says.
    public let payload: [UInt8]
    /// What travelled with it; closed with the last reference.
    public let descriptors: [SharedDescriptor]

    /// As a receiver puts it together.
    public init(header: MessageHeader, payload: [UInt8], descriptors: [SharedDescriptor] = []) {
        self.header = header
        self.payload = payload
        self.descriptors = descriptors
    }

    /// The payload as the first of `shapes` whose size fits.
    func payload(as shapes: [PayloadShape], of request: String) throws(MessageError) -> Payload {
        guard let shape = shapes.first(where: { $0.sizes.contains(payload.count) }) else {
            throw .payloadSize(request: request, size: payload.count)
        }
        var error: MessageError?
        let value: Payload? = payload.withUnsafeBytes { bytes in
            do throws(MessageError) {
                return try Payload(parsing: bytes, as: shape)
            } catch let cause {
                error = cause
                return nil
            }
        }
        if let error { throw error }
        guard let value else { throw .payloadSize(request: request, size: payload.count) }
        return value
    }
}

/// The receiving half of a connection.
public struct MessageReceiver {
    /// Descriptors that any message may carry; more are refused.
    public static let maximumDescriptors = 8

    private let direction: MessageHeader.Direction
    private var header: MessageHeader?
    private var bytes: [UInt8] = []
    private var descriptors: [SharedDescriptor] = []

    /// - Parameter direction: what this end of the connection gets.
    public init(receiving direction: MessageHeader.Direction) {
        self.direction = direction
        bytes.reserveCapacity(64)
    }

    /// How many bytes to read next, so that no read crosses into the next message: descriptors then
    /// belong to the message they came with.
    public var needed: Int { (header?.size ?? MessageHeader.byteCount) - bytes.count }

    /// Where the stream stands, for the text of an early end of file.
    public enum Position: Equatable, Sendable {
        /// Nothing of the next message is there.
        case betweenMessages
        /// This many bytes of a header are there.
        case inHeader(Int)
        /// This many of this many bytes of a payload are there.
        case inPayload(Int, of: Int)
    }

    /// Where the stream stands now.
    public var position: Position {
        if let header { return .inPayload(bytes.count, of: header.size) }
        return bytes.isEmpty ? .betweenMessages : .inHeader(bytes.count)
    }

    /// Takes at most `needed` bytes (what is beyond is ignored) and the descriptors of the same read;
    /// returns a message when one is complete. After an error the connection is of no more use, and the descriptors of the
    /// refused message are closed.
    public mutating func take(
        _ piece: UnsafeRawBufferPointer, descriptors new: [SharedDescriptor] = [], areDescriptorsLost: Bool = false
    ) throws(MessageError) -> ReceivedMessage? {
        do throws(MessageError) {
            return try add(piece, new, areDescriptorsLost)
        } catch {
            forget()
            throw error
        }
    }

    /// Lets go of what came of a message that is not complete; its descriptors are closed now.
    mutating func forget() {
        descriptors = []
        bytes = []
        header = nil
    }

    private mutating func add(
        _ piece: UnsafeRawBufferPointer, _ new: [SharedDescriptor], _ areDescriptorsLost: Bool
    ) throws(MessageError) -> ReceivedMessage? {
        guard !areDescriptorsLost else { throw .descriptorsLost }
        descriptors.append(contentsOf: new)
        guard descriptors.count <= MessageReceiver.maximumDescriptors else {
            throw .tooManyDescriptors(count: descriptors.count)
        }
        bytes.append(contentsOf: piece.prefix(needed))
        guard needed == 0 else { return nil }
        if header == nil {
            header = try parsedHeader()
            bytes.removeAll(keepingCapacity: true)
            guard needed == 0 else { return nil }
        }
        return completed()
    }

    private func parsedHeader() throws(MessageError) -> MessageHeader {
        var error: MessageError?
        let header: MessageHeader? = bytes.withUnsafeBytes { raw in
            do throws(MessageError) {
                return try MessageHeader(parsing: raw, as: direction)
            } catch let cause {
                error = cause
                return nil
            }
        }
        if let error { throw error }
        guard let header else { throw .truncated(structure: "header", available: bytes.count) }
        return header
    }

    private mutating func completed() -> ReceivedMessage? {
        guard let header else { return nil }
        let message = ReceivedMessage(header: header, payload: bytes, descriptors: descriptors)
        self.header = nil
        bytes.removeAll(keepingCapacity: true)
        descriptors.removeAll()
        return message
    }
}
