// A FileDoor whose files are arrays, and that can be told to fail.

import GuestNode

final class MemoryFiles: FileDoor {
    var contents: [String: [UInt8]] = [:]
    /// Paths whose writing fails.
    var full: Set<String> = []
    private(set) var openCount = 0
    private var open: [Int32: (path: String, position: Int)] = [:]
    private var next: Int32 = 0

    func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken {
        switch use {
        case .read: if contents[path] == nil { throw FileError(path: path, reason: "No such file or directory") }
        case .write: contents[path] = []
        case .append: contents[path] = contents[path] ?? []
        }
        next += 1
        open[next] = (path, 0)
        openCount += 1
        return FileToken(rawValue: next)
    }

    func read(_ file: FileToken, into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        guard let (path, position) = open[file.rawValue], let bytes = contents[path] else {
            throw FileError(path: "?", reason: "Bad file descriptor")
        }
        let count = min(room.count, bytes.count - position)
        room.copyBytes(from: bytes[position..<position + count])
        open[file.rawValue]?.position += count
        return count
    }

    func write(_ file: FileToken, _ bytes: UnsafeRawBufferPointer) throws(FileError) -> Int {
        guard let (path, _) = open[file.rawValue] else { throw FileError(path: "?", reason: "Bad file descriptor") }
        if full.contains(path) { throw FileError(path: path, reason: "No space left on device") }
        contents[path]?.append(contentsOf: bytes)
        return bytes.count
    }

    func close(_ file: FileToken) {
        if open.removeValue(forKey: file.rawValue) != nil { openCount -= 1 }
    }

    func text(_ path: String) -> String? { contents[path].map { String(decoding: $0, as: UTF8.self) } }
}
