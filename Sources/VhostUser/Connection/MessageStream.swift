// A non-blocking stream socket that carries messages: reads into a receiver, writes from a bounded
// queue, watches the reactor. It never blocks and knows no request.

import Glibc
import Linux

/// One connected socket. Its owner gets each message by `onMessage`, the end by `onEnd`; after `close` neither is called.
final class MessageStream {
    enum End {
        case endOfFile(MessageReceiver.Position)
        case failed(VhostUserError)
    }

    /// Messages taken in one turn of the loop, so that a flood leaves room for others.
    private static let budget = 32

    private let reactor: Reactor
    private var socket: FileDescriptor?
    private var watch: WatchID?
    private var receiver: MessageReceiver
    private var queue: SendQueue
    private var isWatchingWrites = false
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: MessageHeader.maximumPayload, alignment: 16)
    private let onMessage: (ReceivedMessage) -> Void
    private let onEnd: (End) -> Void

    init(
        _ socket: consuming FileDescriptor, on reactor: Reactor, receiving direction: MessageHeader.Direction,
        sendLimit: Int, onMessage: @escaping (ReceivedMessage) -> Void, onEnd: @escaping (End) -> Void
    ) throws(SystemError) {
        self.reactor = reactor
        receiver = MessageReceiver(receiving: direction)
        queue = SendQueue(limit: sendLimit)
        self.onMessage = onMessage
        self.onEnd = onEnd
        let raw = socket.raw
        self.socket = consume socket
        watch = try reactor.watch(raw, for: .readable) { [weak self] in self?.handle($0) }
    }

    deinit {
        close()
        room.deallocate()
    }

    /// Bytes that wait for the peer to read.
    var waitingBytes: Int { queue.waitingBytes }

    /// Sends a message, or queues what the socket does not take now.
    func send(_ bytes: [UInt8], _ attachments: [Attachment] = []) throws(VhostUserError) {
        guard socket != nil else { return }
        guard queue.push(bytes, attachments) else { throw .sendQueueFull(bytes: queue.waitingBytes) }
        try flush()
    }

    func close() {
        if let watch { reactor.remove(watch) }
        watch = nil
        socket = nil
        receiver.forget()
    }

    private func handle(_ readiness: Readiness) {
        if readiness.contains(.writable) {
            do throws(VhostUserError) { try flush() } catch { return onEnd(.failed(error)) }
        }
        if readiness.isDisjoint(with: [.readable, .hangUp, .failed]) { return }
        for _ in 0..<MessageStream.budget {
            guard receive() else { return }
        }
    }

    /// One read; false when there is nothing more to do in this turn.
    private func receive() -> Bool {
        guard let raw = socket?.raw else { return false }
        do throws(SystemError) {
            let part = UnsafeMutableRawBufferPointer(rebasing: room[..<min(room.count, receiver.needed)])
            let limit = UnixSocket.descriptorLimit
            guard let packet = try UnixSocket.receive(raw, into: part, descriptorLimit: limit) else { return false }
            guard packet.count > 0 else { return end(nil) }
            let piece = UnsafeRawBufferPointer(rebasing: part[..<packet.count])
            return take(piece, packet.descriptors, packet.isTruncated)
        } catch {
            return end(error)
        }
    }

    private func take(_ piece: UnsafeRawBufferPointer, _ owned: [SharedDescriptor], _ isTruncated: Bool) -> Bool {
        do throws(MessageError) {
            let message = try receiver.take(piece, descriptors: owned, areDescriptorsLost: isTruncated)
            if let message { onMessage(message) }
            return true
        } catch {
            onEnd(.failed(.message(error)))
            return false
        }
    }

    /// The stream is at its end (no error, or the peer's reset), or broken.
    private func end(_ error: SystemError?) -> Bool {
        if let error, error.code != ECONNRESET {
            onEnd(.failed(.system(error)))
        } else {
            onEnd(.endOfFile(receiver.position))
        }
        return false
    }

    private func flush() throws(VhostUserError) {
        guard let raw = socket?.raw else { return }
        do throws(SystemError) {
            try queue.flush(to: raw)
        } catch {
            // EPIPE and ECONNRESET are the peer's end: what it sent before is still to be read, and the end of
            // file after it tells.
            if error.code == EPIPE || error.code == ECONNRESET { return }
            throw .system(error)
        }
        if isWatchingWrites != !queue.isEmpty, let watch {
            isWatchingWrites.toggle()
            reactor.change(watch, to: isWatchingWrites ? [.readable, .writable] : .readable)
        }
    }
}
