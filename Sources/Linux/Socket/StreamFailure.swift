// Why a stream socket could not be made, as values. The sentences are others'.

/// Why a stream endpoint has no connection.
public enum StreamFailure: Error, Equatable, Sendable {
    /// The name has no address.
    case name(NameError)
    /// The other end could not be reached.
    case connect(SystemError)
    /// No socket listens: `call` of the error says what went wrong (`bind`, `listen`, `socket`).
    case listen(SystemError)
    /// The descriptor of this number is no socket, or is not open.
    case noSocket(CInt)
}
