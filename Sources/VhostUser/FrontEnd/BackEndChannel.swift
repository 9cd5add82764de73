// The channel on which a back-end asks something of the front-end (vhost-user specification, "Back-end
// message types"). None of the features that give its requests a meaning is acknowledged by this
// front-end, so each request is answered with 1 where an answer is wanted. A back-end that floods the
// channel or sends nonsense loses the channel only; the main connection lives.

import Glibc
import Linux

/// The front-end's end of the channel.
final class BackEndChannel {
    /// Requests that are served before the channel is closed: nothing useful can be asked, so this is a flood.
    static let maximumRequests = 4096

    /// The back-end's end, to be sent with SET_BACKEND_REQ_FD.
    let farEnd: SharedDescriptor
    private(set) var isOpen = true
    private(set) var requestCount = 0
    private var stream: MessageStream?
    private let onClose: (String) -> Void

    /// - Parameter onClose: told once, with the reason, when the channel is closed for a fault of the back-end.
    init(on reactor: Reactor, onClose: @escaping (String) -> Void) throws(SystemError) {
        var ends: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemError(call: "socketpair", code: errno) }
        farEnd = SharedDescriptor(FileDescriptor(owning: ends[1]))
        self.onClose = onClose
        let near = FileDescriptor(owning: ends[0])
        stream = try MessageStream(
            near, on: reactor, receiving: .requests, sendLimit: 16 << 10,
            onMessage: { [weak self] in self?.serve($0) }, onEnd: { [weak self] in self?.end($0) })
    }

    func close() {
        isOpen = false
        stream?.close()
    }

    private func serve(_ received: ReceivedMessage) {
        guard isOpen else { return }
        requestCount += 1
        guard requestCount <= BackEndChannel.maximumRequests else { return give("too many requests") }
        guard received.header.flags == .requestNeedingReply else { return }
        var answer = FieldWriter()
        MessageHeader(request: received.header.request, flags: .reply, size: 8).write(to: &answer)
        answer.u64(1)
        do throws(VhostUserError) { try stream?.send(answer.bytes) } catch { give(error.description) }
    }

    private func end(_ end: MessageStream.End) {
        switch end {
        case .endOfFile: close()
        case .failed(let error): give(error.description)
        }
    }

    private func give(_ reason: String) {
        guard isOpen else { return }
        close()
        onClose("the vhost-user back-end's own channel is closed: \(reason)")
    }
}
