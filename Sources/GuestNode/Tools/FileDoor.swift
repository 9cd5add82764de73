// The door to the host's files: what `<`, `>` and `curl -o` open. The node knows names and bytes;
// descriptors and errno stay with whoever implements the door.

/// What a file is opened for.
public enum FileUse: Equatable, Sendable {
    /// It must be there.
    case read
    /// Created when missing, emptied when there.
    case write
    /// Created when missing, written at its end.
    case append
}

/// The implementer's name for an open file.
public struct FileToken: Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
}

/// Why a file could not be opened, read or written.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// As it was asked for.
    public let path: String
    /// Such as "No such file or directory".
    public let reason: String

    /// - Parameter reason: as strerror(3) would say it.
    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path): \(reason)" }
}

/// Files of the host, relative to the directory netemu was started in. No call may wait: a name
/// that is no regular file and could block (a FIFO, a terminal) is refused by `open`.
/// `/dev/null`, `/dev/zero` and the names of standard streams never get here.
public protocol FileDoor: AnyObject {
    /// Opens a file, or says why not.
    func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken
    /// Reads on from where the last read ended; returns the number of bytes, 0 at the end of the file.
    func read(_ file: FileToken, into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Int
    /// Returns the number of bytes written, at least 1 unless `bytes` is empty.
    func write(_ file: FileToken, _ bytes: UnsafeRawBufferPointer) throws(FileError) -> Int
    /// The token means nothing any more.
    func close(_ file: FileToken)
    /// What another door would have to open to go on here; nil: unknown.
    func place(of file: FileToken) -> MovedFile?
    /// Opens what a node had open elsewhere and goes on at its offset; nothing is created or emptied. Which names are
    /// opened for somebody who comes from elsewhere is the door's choice.
    func reopen(_ file: MovedFile) throws(FileError) -> FileToken
}

/// A door behind which there is nothing: every name is refused.
public final class NoFiles: FileDoor {
    /// There is nothing to make.
    public init() {}
    /// Always throws.
    public func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken {
        throw FileError(path: path, reason: "this node has no files")
    }
    /// Nothing was opened: nothing is read.
    public func read(_ file: FileToken, into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Int { 0 }
    /// Nothing was opened: the bytes are gone.
    public func write(_ file: FileToken, _ bytes: UnsafeRawBufferPointer) throws(FileError) -> Int { bytes.count }
    /// Nothing was opened.
    public func close(_ file: FileToken) {}
}

/// A name under which a shell's user knows a standard stream.
enum StandardName: Equatable, Sendable {
    case input, output, errors

    init?(_ path: String) {
        switch path {
        case "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0": self = .input
        case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1": self = .output
        case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2": self = .errors
        default: return nil
        }
    }
}

/// An open file as a tool holds it: the host's, or one of the two that need no host.
enum OpenFile: Equatable, Sendable {
    case null
    case zero
    case host(FileToken)

    static func open(_ path: String, for use: FileUse, by door: any FileDoor) throws(FileError) -> OpenFile {
        switch path {
        case "/dev/null": return .null
        case "/dev/zero": return .zero
        // The node's standard streams are none of netemu's descriptors: to open one of those could empty a file that
        // netemu's own output goes to.
        case _ where StandardName(path) != nil:
            throw FileError(path: path, reason: "a tool's own streams have no file; > and < redirect them")
        default: return .host(try door.open(path, for: use))
        }
    }

    func read(into room: UnsafeMutableRawBufferPointer, by door: any FileDoor) throws(FileError) -> Int {
        switch self {
        case .null: return 0
        case .zero:
            room.initializeMemory(as: UInt8.self, repeating: 0)
            return room.count
        case .host(let token): return min(max(0, try door.read(token, into: room)), room.count)
        }
    }

    /// Writes all of `bytes`.
    func write(_ bytes: UnsafeRawBufferPointer, by door: any FileDoor) throws(FileError) {
        guard case .host(let token) = self else { return }
        var rest = bytes
        while !rest.isEmpty {
            let count = try door.write(token, rest)
            guard count > 0 else { throw FileError(path: "file \(token.rawValue)", reason: "nothing was written") }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }

    func close(by door: any FileDoor) {
        if case .host(let token) = self { door.close(token) }
    }
}
