// What comes of asking TCP to take text or to give some.

/// The answer of SEND and RECEIVE (RFC 9293, 3.9.1), which never wait.
public enum TCPTransfer: Hashable, Sendable {
    /// So many bytes; 0 only where the caller offered or took none.
    case moved(Int)
    /// Nothing now: there is no room, or nothing has come. Later it may be different.
    case blocked
    /// Never again: this direction was closed (CLOSE here; FIN of the peer, and everything before it was read), or the
    /// connection has ended, and the error says why if that was no ordinary end.
    case ended(TCPError?)
    /// No connection has this name: it never was one, or was released.
    case unknown

    /// Bytes that were moved.
    public var count: Int { if case .moved(let count) = self { count } else { 0 } }
}
