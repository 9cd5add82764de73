// Files that a tool has open when its node moves: the state holds a path, what it was opened for and the place in it.
// Opening it again is the door's business, and its choice: who sends state must not choose files of the host.

import Bytes

/// A file that a tool had open elsewhere.
public struct MovedFile: Equatable, Sendable {
    /// As it was asked for.
    public var path: String
    /// What it was opened for.
    public var use: FileUse
    /// Bytes from its start to where the next read or write goes.
    public var offset: UInt64

    /// As a door describes it.
    public init(path: String, use: FileUse, offset: UInt64) {
        self.path = path
        self.use = use
        self.offset = offset
    }
}

/// A door that knows nothing of moves.
extension FileDoor {
    /// Nothing is known of the file.
    public func place(of file: FileToken) -> MovedFile? { nil }
    /// Nothing is opened for somebody who comes from elsewhere.
    public func reopen(_ file: MovedFile) throws(FileError) -> FileToken {
        throw FileError(path: file.path, reason: "this side opens no files of a node that comes from elsewhere")
    }
}

/// The door of a node while its state is written or read: what was opened is closed again when the rest cannot be read.
final class FileMover {
    let door: any FileDoor
    private var opened: [FileToken] = []

    init(_ door: any FileDoor) { self.door = door }

    func reopen(_ file: MovedFile) throws(StateError) -> FileToken {
        do throws(FileError) {
            let token = try door.reopen(file)
            opened.append(token)
            return token
        } catch { throw .impossible("file \(printable(error.description))") }
    }

    func closeAll() {
        for token in opened { door.close(token) }
        opened = []
    }
}

extension OpenFile {
    static let longestPath = 1 << 16

    /// A byte that says what it is; of a file of the host its path, use and place.
    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        let uses: [FileUse] = [.read, .write, .append]
        var (kind, file): (UInt8, MovedFile) = (0, MovedFile(path: "", use: .read, offset: 0))
        switch self {
        case .null: kind = 0
        case .zero: kind = 1
        case .host(let token):
            kind = 2
            // What a door does not know has no name, and nobody opens that.
            file = files.door.place(of: token) ?? file
        }
        try coder.integer(&kind)
        switch kind {
        case 0: self = .null
        case 1: self = .zero
        case 2:
            var use = uses.firstIndex(of: file.use) ?? 0
            try coder.text(&file.path, limit: Self.longestPath, "path of a file")
            try coder.count(&use, in: 0...uses.count - 1, "use of a file")
            try coder.integer(&file.offset)
            file.use = uses[use]
            if coder.isReading { self = .host(try files.reopen(file)) }
        default: throw .impossible("a file")
        }
    }
}

extension StandardInput {
    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        var (kind, file): (UInt8, OpenFile) = (0, .null)
        switch self {
        case .none: kind = 0
        case .console: kind = 1
        case .file(let open): (kind, file) = (2, open)
        }
        try coder.integer(&kind)
        switch kind {
        case 0: self = .none
        case 1: self = .console
        case 2:
            try file.code(&coder, files)
            self = .file(file)
        default: throw .impossible("input of a tool")
        }
    }
}

extension StandardOutput {
    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        var (kind, file): (UInt8, OpenFile) =
            switch self {
            case .console: (0, .null)
            case .file(let open): (1, open)
            case .errors: (2, .null)
            }
        try coder.integer(&kind)
        switch kind {
        case 0: self = .console
        case 1:
            try file.code(&coder, files)
            self = .file(file)
        case 2: self = .errors
        default: throw .impossible("output of a tool")
        }
    }
}
