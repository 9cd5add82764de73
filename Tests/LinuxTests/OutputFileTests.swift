import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@Suite("files to write")
struct OutputFileTests {
    private func open(_ path: String, empties: Bool = false) throws(SystemError) -> FileDescriptor {
        try OutputFile.open(path, O_WRONLY, mode: 0o600, empties: empties)
    }

    private func code(_ path: String) -> CInt {
        do throws(SystemError) {
            _ = try open(path)
            return 0
        } catch { return error.code }
    }

    @Test("a file that is made belongs to its owner alone; one that is there is emptied only when that is asked for")
    func plain() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/new"
            _ = try open(path)
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            try SmallFile.write([1, 2, 3], to: path)
            _ = try open(path)
            #expect(try SmallFile.read(path) == [1, 2, 3])
            _ = try open(path, empties: true)
            #expect(try SmallFile.read(path) == [])
            #expect(code(directory.path + "/no/such") == ENOENT && code(directory.path + "/") == EISDIR)
            #expect(code(directory.path + "/new/") == ENOTDIR && code(directory.path) == EISDIR)
        }
    }

    @Test("links that nobody else could make are followed, also in a row; a circle is not")
    func ownLinks() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path
            #expect(symlink("b", path + "/a") == 0 && symlink("\(path)/sub/../c", path + "/b") == 0)
            #expect(mkdir(path + "/sub", 0o700) == 0)
            _ = try open(path + "/a")
            #expect(directory.entries == ["a", "b", "c", "sub"])
            #expect(symlink("circle", path + "/circle") == 0)
            #expect(code(path + "/circle") == ELOOP)
        }
    }

    @Test("the kernel's own links lead to what is open")
    func kernelLinks() throws {
        try withTemporaryDirectory { directory in
            let ends = try Pipe()
            let written = try OutputFile.open("/proc/self/fd/\(ends.writing.raw)", O_WRONLY, mode: 0o600)
            #expect(write(written.raw, "x", 1) == 1)
            #expect(symlink("/proc/self/fd/\(ends.writing.raw)", directory.path + "/out") == 0)
            _ = try open(directory.path + "/out")
        }
    }

    @Test(
        "where others can write, their links and their files are refused, and keep what is in them",
        .enabled(if: geteuid() == 0))
    func strangers() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path
            for name in ["secret", "planted"] { try SmallFile.write([7], to: "\(path)/\(name)") }
            #expect(symlink("secret", path + "/theirs") == 0 && lchown(path + "/theirs", 65534, 65534) == 0)
            #expect(symlink("secret", path + "/ours") == 0 && chown(path + "/planted", 65534, 65534) == 0)
            // Nobody else can write here: whatever there is is meant to be there.
            #expect(chmod(path, 0o755) == 0)
            #expect(code(path + "/theirs") == 0 && code(path + "/planted") == 0)
            for mode: mode_t in [0o1777, 0o777] {
                #expect(chmod(path, mode) == 0)
                #expect(code(path + "/theirs") == EACCES && code(path + "/planted") == EACCES)
                #expect(code(path + "/ours") == 0)
            }
            #expect(chmod(path, 0o775) == 0)
            #expect(code(path + "/theirs") == EACCES)
            #expect(try SmallFile.read(path + "/secret") == [7] && SmallFile.read(path + "/planted") == [7])
        }
    }

    @Test("what somebody has locked is refused, and keeps what is in it: the memory of a guest")
    func locked() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            let memory = try MemoryFile(.path(path), size: 1 << 20).open().memory
            #expect(symlink("ram", directory.path + "/link") == 0)
            for name in ["ram", "link"] {
                #expect(code("\(directory.path)/\(name)") == EBUSY)
                #expect(throws: SystemError(call: "open", code: EBUSY, subject: "\(directory.path)/\(name)")) {
                    _ = try self.open("\(directory.path)/\(name)", empties: true)
                }
            }
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_size == 1 << 20)
            withExtendedLifetime(memory) {}
        }
    }

    @Test("when the lock is gone a file is like any other")
    func unlocked() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            _ = try MemoryFile(.path(path), size: 1 << 20).open()
            _ = try open(path, empties: true)
            #expect(try SmallFile.read(path) == [])
        }
    }

    @Test("a FIFO without a reader is an error, not a wait")
    func fifo() throws {
        try withTemporaryDirectory { directory in
            #expect(mkfifo(directory.path + "/fifo", 0o600) == 0)
            #expect(code(directory.path + "/fifo") == ENXIO)
        }
    }
}
