// A FileDoor whose files are arrays, and that can be told to fail.

import GuestNode

final class MemoryFiles: FileDoor {
    var contents: [String: [UInt8]] = [:]
    /// Paths whose writing fails.
    var full: Set<String> = []
    /// Paths that are not opened for a node that comes from elsewhere.
    var refused: Set<String> = []
    private(set) var openCount = 0
    private var open: [Int32: (path: String, use: FileUse, position: Int)] = [:]
    private var next: Int32 = 0

    func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken {
        switch use {
        case .read: if contents[path] == nil { throw FileError(path: path, reason: "No such file or directory") }
        case .write: contents[path] = []
        case .append: contents[path] = contents[path] ?? []
        }
        return token(path, use, 0)
    }

    private func token(_ path: String, _ use: FileUse, _ position: Int) -> FileToken {
        next += 1
        open[next] = (path, use, position)
        openCount += 1
        return FileToken(rawValue: next)
    }

    func place(of file: FileToken) -> MovedFile? {
        open[file.rawValue].map { MovedFile(path: $0.path, use: $0.use, offset: UInt64($0.position)) }
    }

    func reopen(_ file: MovedFile) throws(FileError) -> FileToken {
        guard !refused.contains(file.path), let bytes = contents[file.path] else {
            throw FileError(path: file.path, reason: "not opened")
        }
        return token(file.path, file.use, Int(clamping: min(file.offset, UInt64(bytes.count))))
    }

    /// The process that had them open has ended.
    func closeAll() {
        open = [:]
        openCount = 0
    }

    func read(_ file: FileToken, into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        guard let (path, _, position) = open[file.rawValue], let bytes = contents[path] else {
            throw FileError(path: "?", reason: "Bad file descriptor")
        }
        let count = min(room.count, bytes.count - position)
        room.copyBytes(from: bytes[position..<position + count])
        open[file.rawValue]?.position += count
        return count
    }

    func write(_ file: FileToken, _ bytes: UnsafeRawBufferPointer) throws(FileError) -> Int {
        guard let (path, _, _) = open[file.rawValue] else { throw FileError(path: "?", reason: "Bad file descriptor") }
        if full.contains(path) { throw FileError(path: path, reason: "No space left on device") }
        contents[path]?.append(contentsOf: bytes)
        return bytes.count
    }

    func close(_ file: FileToken) {
        if open.removeValue(forKey: file.rawValue) != nil { openCount -= 1 }
    }

    func text(_ path: String) -> String? { contents[path].map { String(decoding: $0, as: UTF8.self) } }
}
