// The source's side of a move as a type: a socket that was silenced can be dumped, then either thawed
// (the move failed) or let go (the move succeeded). Whatever happens to the value in between, even
// that it is dropped, the connection sees neither FIN nor RST.

import Glibc
import Linux

/// A connected TCP socket in repair mode, owned.
public struct FrozenSocket: ~Copyable {
    private let descriptor: FileDescriptor
    /// Its descriptor's number.
    public var raw: CInt { descriptor.raw }

    /// Silences `descriptor`: it sends nothing and takes nothing, which its peer holds for a loss. On failure the connection goes on, but the descriptor is closed: keep a
    /// duplicate where that matters, or ask `RepairOption` first.
    /// - Parameters:
    ///   - descriptor: a connected TCP socket.
    ///   - switchOn: puts the socket into repair mode; the helper's door for a process without CAP_NET_ADMIN.
    public init(
        _ descriptor: consuming FileDescriptor,
        switchOn: (CInt) throws(SystemError) -> Void = { (fd) throws(SystemError) in
            try RepairOption(fd).set(.on)
        }
    ) throws(TCPSocketStateError) {
        self.descriptor = descriptor
        SilencingFilter.attach(to: raw)
        do { try switchOn(raw) } catch {
            SilencingFilter.detach(from: raw)
            throw .system(error)
        }
    }

    /// The connection as data; may be taken again.
    public func dump(queueLimit: Int = 64 << 20) throws(TCPSocketStateError) -> TCPSocketState {
        try TCPSocketState.dump(raw, queueLimit: queueLimit)
    }

    /// Rolls back: the socket speaks again, here.
    public consuming func thaw(
        switchOff: (CInt) throws(SystemError) -> Void = { (fd) throws(SystemError) in
            try RepairOption(fd).set(.off)
        }
    ) throws(TCPSocketStateError) -> FileDescriptor {
        SilencingFilter.detach(from: raw)
        do { try switchOff(raw) } catch { throw .system(error) }
        return descriptor
    }

    /// The connection lives elsewhere now: frees its 4-tuple here, silently, so that a socket of this very
    /// namespace can take it.
    public consuming func letGo() throws(TCPSocketStateError) {
        do { try RepairOption(raw).disconnect() } catch { throw .system(error) }
    }
}
