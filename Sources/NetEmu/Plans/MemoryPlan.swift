// Guest memory as a command line asks for it: how much, in which objects, where those lie.

/// Guest memory.
public struct MemoryPlan: Equatable, Sendable {
    /// Bytes of guest memory that can be asked for.
    public static let accepted: ClosedRange<UInt64> = (16 << 20)...(64 << 30)
    /// Bytes.
    public var size: UInt64 = 128 << 20
    /// Every memory object, in order of creation.
    public var objects: [MemoryBackend] = []
    /// Those that make guest memory up (`-numa node,memdev=`), by id; empty when netemu makes its own.
    public var used: [String] = []

    /// What makes guest memory up, in its order.
    public var backends: [MemoryBackend] { used.compactMap { id in objects.first { $0.id == id } } }
    /// Another process can map all of it.
    public var isShared: Bool { backends.allSatisfy(\.isShared) }
}

/// `-object memory-backend-*`.
public struct MemoryBackend: Equatable, Sendable {
    /// Which of QEMU's objects it is.
    public let type: String
    /// By which others name it.
    public let id: String
    /// Bytes.
    public let size: UInt64
    /// Another process can map it.
    public let isShared: Bool
    /// Every page is made at the start.
    public var isPopulated = false
    /// Its room is taken at the start, where it lies in a file.
    public var isReserved = true
    /// Equal pages of private memory may become one.
    public var isMerged = true
    /// It is part of a core dump.
    public var isDumped = true
    /// `memory-backend-file`.
    public var file: MemoryFilePlan?

    /// What the guest writes would have to go into a file that is only read.
    public var isReadOnlyMemory: Bool { file.map { $0.isReadOnly && !$0.isCopied } ?? false }
}

/// The file of a `memory-backend-file`.
public struct MemoryFilePlan: Equatable, Sendable {
    /// A file or a directory.
    public let path: String
    /// Where in the file, in bytes.
    public var offset: UInt64 = 0
    /// Of its mapping; 0 for the page size.
    public var alignment: UInt64 = 0
    /// The file is only read.
    public var isReadOnly = false
    /// Of a file that is only read: what is written is kept in memory (rom=off).
    public var isCopied = false
    /// Its content is of no use to anybody at the end; where the guest does not write to it, it stays.
    public var isDiscarded = false
}
