// Files of a node that comes from elsewhere: which ones its door opens, and why not the others.

import Glibc
import GuestNode
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

@Suite("moved-files")
struct MovedFilesTests {
    /// A folder with a file of five bytes in it and beside it.
    private func withFolder(_ body: (_ path: String, _ door: HostFiles) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            for folder in ["in", "in/sub"] { #expect(mkdir("\(directory.path)/\(folder)", 0o700) == 0) }
            for file in ["out", "in/file", "in/sub/file"] {
                try SmallFile.write(Array("abcde".utf8), to: "\(directory.path)/\(file)")
            }
            try body(directory.path, HostFiles(movedFiles: try Folder(directory.path + "/in")))
        }
    }

    private func refusal(_ door: HostFiles, _ path: String, _ use: FileUse = .read, at offset: UInt64 = 0) -> String? {
        do throws(FileError) {
            door.close(try door.reopen(MovedFile(path: path, use: use, offset: offset)))
            return nil
        } catch { return error.description }
    }

    private func write(_ text: String, _ file: FileToken, _ door: HostFiles) throws {
        let bytes = Array(text.utf8)
        let count = try bytes.withUnsafeBytes { try door.write(file, $0) }
        #expect(count == bytes.count)
    }

    @Test("a file that is read goes on where it was, one that is written is not emptied, appending stays appending")
    func uses() throws {
        try withFolder { path, door in
            let read = try door.reopen(MovedFile(path: "sub/file", use: .read, offset: 2))
            var room = [UInt8](repeating: 0, count: 9)
            let count = try room.withUnsafeMutableBytes { try door.read(read, into: $0) }
            #expect(count == 3 && room.prefix(3) == Array("cde".utf8)[...])
            let written = try door.reopen(MovedFile(path: "file", use: .write, offset: 3))
            try write("X", written, door)
            #expect(door.place(of: written) == MovedFile(path: "file", use: .write, offset: 4))
            #expect(try SmallFile.read(path + "/in/file") == Array("abcXe".utf8))
            let appended = try door.reopen(MovedFile(path: "/sub/file", use: .append, offset: 1))
            try write("Z", appended, door)
            #expect(try SmallFile.read(path + "/in/sub/file") == Array("abcdeZ".utf8))
            // Its name on the next side is the one that it has had from the start.
            #expect(door.place(of: appended)?.path == "/sub/file")
        }
    }

    @Test("a path from the root of the other side begins at the folder")
    func absolute() throws {
        try withFolder { path, door in
            #expect(refusal(door, "/file", .write, at: 5) == nil && refusal(door, "//sub//file") == nil)
            #expect(refusal(door, path + "/in/file") == "\(path)/in/file: No such file or directory")
        }
    }

    @Test("what leads out, over links, or to no regular file is refused in a sentence with its name")
    func refusals() throws {
        try withFolder { path, door in
            let (out, link) = ("it is not beneath \(path)/in (moved-files=)", "leads over a symbolic link")
            for name in ["../out", "sub/../../out", "/../out"] { #expect(refusal(door, name) == "\(name): \(out)") }
            #expect(refusal(door, "sub/../file") == nil)
            #expect(symlink("file", path + "/in/l") == 0 && symlink("/", path + "/in/root") == 0)
            for name in ["l", "root/etc/passwd"] { #expect(refusal(door, name)?.hasSuffix(link) == true, "\(name)") }
            #expect(mkfifo(path + "/in/fifo", 0o600) == 0)
            #expect(refusal(door, "fifo") == "fifo: not a regular file")
            #expect(refusal(door, "fifo", .write) == "fifo: No such device or address")
            #expect(
                refusal(door, "sub") == "sub: Is a directory" && refusal(door, "sub", .write) == "sub: Is a directory")
            for name in ["none", "", "/", "file\0"] {
                #expect(refusal(door, name, .append) == "\(name): No such file or directory")
            }
            let left = try names(in: path + "/in")
            #expect(Set(left) == ["fifo", "file", "l", "root", "sub"])
        }
    }

    private func names(in path: String) throws -> [String] {
        let folder = try #require(opendir(path))
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    @Test("a place behind the end of a file is refused, whatever the number")
    func offsets() throws {
        try withFolder { _, door in
            for use in [FileUse.read, .write, .append] {
                #expect(refusal(door, "file", use, at: 5) == nil)
                for offset in [6, UInt64(Int64.max), .max] {
                    #expect(
                        refusal(door, "file", use, at: offset)
                            == "file: it has 5 bytes here, and was read or written up to byte \(offset)")
                }
            }
        }
    }

    @Test("without a folder nothing is opened, and the sentence says what names one")
    func noFolder() throws {
        let door = HostFiles()
        #expect(
            refusal(door, "/etc/passwd") == "/etc/passwd: a node that comes from elsewhere gets no files here without "
                + "-guest node,moved-files=DIR")
        let folder = try Folder("/tmp")
        #expect(HostFiles.reason(ENOSYS, folder).contains("no openat2(2)"))
    }

    @Test("the key is a path, and a folder that is not there ends netemu in its first moment")
    func key() throws {
        let kind = try GuestOption.plan(try KeyValueList(parsing: "node,moved-files=/a,,b", implied: "type"))
        #expect((kind as? NodeGuestKind)?.movedFiles == "/a,b")
        let missing = try GuestOption.plan(try KeyValueList(parsing: "node,moved-files=/no/such", implied: "type"))
        let guest = missing.makeGuest(
            GuestSite(memory: try GuestMemory(size: 16 << 20), reactor: try Reactor(), say: { _ in }))
        var failures: [EmulationError] = []
        guest.onEvent = { if case .failed(let error) = $0 { failures.append(error) } }
        guest.begin()
        #expect(failures.count == 1 && failures.first?.location == "-guest node,moved-files=/no/such")
        #expect(failures.first?.text == "No such file or directory")
    }

    @Test("the sandbox lets the call pass by which names are kept beneath a folder")
    func sandbox() { #expect(ProgramSandbox.rules(SandboxPlan()).contains { $0.holds(for: "openat2", []) }) }
}
