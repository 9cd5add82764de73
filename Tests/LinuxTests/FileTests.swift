import CLinux
import Glibc
import Testing

@testable import Linux

@Suite("files, directories, terminals")
struct FileTests {
    @Test("a device or a pipe in a pid file's place is an error and stays what it is")
    func pidFileOfAnotherKind() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/fifo"
        #expect(mkfifo(path, 0o600) == 0)
        #expect(throws: SystemError.self) { try PidFile(path) }
        #expect(scratch.entries == ["fifo"])
    }

    @Test("a run-time directory is private, named after its owner, and goes with all that is in it but nothing else")
    func runtimeDirectory() throws {
        let scratch = try Scratch()
        let directory = try RuntimeDirectory(below: scratch.path, owner: 4711)
        var info = stat()
        #expect(stat(directory.path, &info) == 0)
        #expect(info.st_mode & 0o7777 == 0o700)
        #expect(directory.path.hasPrefix(scratch.path + "/netemu-4711-"))
        #expect(fcntl(directory.raw, F_GETFD) & FD_CLOEXEC != 0)
        try SmallFile.write([1, 2], to: "a", in: directory.raw)
        #expect(directory.contents(of: "a") == [1, 2])
        #expect(directory.contents(of: "b") == nil)
        mkdirat(directory.raw, "sub", 0o700)
        try SmallFile.write([3], to: "sub/c", in: directory.raw)
        try SmallFile.write([9], to: scratch.path + "/outside")
        symlink(scratch.path, directory.path + "/link")
        directory.remove("a")
        directory.remove("a")
        directory.removeAll()
        #expect(scratch.entries == ["outside"])
    }

    @Test("what somebody else has put in the place of a run-time directory or of a pid file stays")
    func otherFiles() throws {
        let scratch = try Scratch()
        let directory = try RuntimeDirectory(below: scratch.path)
        #expect(directory.isInPlace)
        #expect(rename(directory.path, scratch.path + "/moved") == 0 && mkdir(directory.path, 0o700) == 0)
        #expect(!directory.isInPlace)
        directory.removeAll()
        #expect(scratch.entries == ["moved", String(directory.path.dropFirst(scratch.path.utf8.count + 1))].sorted())
        let path = scratch.path + "/pid"
        let file = try PidFile(path)
        unlink(path)
        try SmallFile.write([1], to: path)
        file.remove()
        #expect(try SmallFile.read(path) == [1])
    }

    @Test("a watch of a directory tells names, and that the directory has gone or its path leads elsewhere")
    func directoryWatch() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/d"
        for leaves in [{ rmdir(path) }, { rename(path, scratch.path + "/moved") }] {
            mkdir(path, 0o700)
            let watch = try DirectoryWatch(path)
            #expect([watch.isInPlace] == [true])
            #expect(try watch.wait(milliseconds: 0) == nil)
            mkdir(path + "/x", 0o700)
            #expect(try watch.wait(milliseconds: 20_000) == .names(["x"]))
            #expect(try watch.names().contains("x"))
            rmdir(path + "/x")
            #expect(leaves() == 0)
            #expect(try watch.wait(milliseconds: 20_000) == .gone)
            #expect([watch.isInPlace] == [false])
        }
        let link = scratch.path + "/link"
        symlink("moved", link)
        let watch = try DirectoryWatch(link)
        #expect([watch.isInPlace] == [true])
        mkdir(path, 0o700)
        unlink(link)
        symlink("d", link)
        #expect([watch.isInPlace] == [false])
    }

    @Test("a run-time directory that cannot be made says where")
    func noDirectory() throws {
        #expect(throws: SystemError(call: "mkdtemp", code: ENOENT, subject: "/nonexistent/netemu-1-XXXXXX")) {
            _ = try RuntimeDirectory(below: "/nonexistent", owner: 1)
        }
    }

    @Test("a small file is read up to its limit, written whole, and not through a symbolic link")
    func smallFiles() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/f"
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        try SmallFile.write(bytes, to: path)
        #expect(try SmallFile.read(path) == bytes)
        #expect(try SmallFile.read(path, limit: 10) == Array(bytes.prefix(10)))
        #expect(try SmallFile.read(path, limit: 0) == [])
        symlink(path, scratch.path + "/l")
        #expect(throws: SystemError(call: "open", code: ELOOP, subject: scratch.path + "/l")) {
            try SmallFile.write([], to: scratch.path + "/l")
        }
        try SmallFile.remove(path)
        try SmallFile.remove(path)
        #expect(throws: SystemError(call: "open", code: ENOENT, subject: path)) { _ = try SmallFile.read(path) }
    }

    @Test("a program is found as execvp would find it")
    func executables() throws {
        let scratch = try Scratch()
        let program = scratch.path + "/prog"
        try SmallFile.write(Array("#!/bin/sh\n".utf8), to: program, mode: 0o755)
        try SmallFile.write([], to: scratch.path + "/data", mode: 0o644)
        mkdir(scratch.path + "/folder", 0o755)
        let search = "/nonexistent:\(scratch.path):/bin"
        #expect(try ExecutablePath.resolve("prog", searchPath: search) == program)
        #expect(try ExecutablePath.resolve(program) == program)
        #expect(try ExecutablePath.resolve("sh", searchPath: search) == "/bin/sh")
        for (name, code) in [("missing", ENOENT), ("data", EACCES), ("folder", EACCES), ("", ENOENT)] {
            #expect(throws: SystemError(call: "exec", code: code, subject: name)) {
                _ = try ExecutablePath.resolve(name, searchPath: search)
            }
        }
    }

    @Test("a terminal is raw in between and afterwards what it was")
    func terminal() throws {
        // Unlocked and named as unlockpt(3) and ptsname(3) do it, which Swift does not import.
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        defer { close(master) }
        var number: CInt = 0
        #expect(ioctl(master, 0x4004_5431, &number) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        defer { close(slave) }
        #expect(Terminal.isTerminal(slave))
        #expect(!Terminal.isTerminal(-1))
        func flags() -> tcflag_t {
            var state = termios()
            tcgetattr(slave, &state)
            return state.c_lflag
        }
        let before = flags()
        do {
            let terminal = Terminal(slave, keepsSignals: true)
            try terminal.makeRaw()
            #expect(flags() & tcflag_t(ICANON | ECHO) == 0)
            #expect(flags() & tcflag_t(ISIG) != 0)
            terminal.restore()
            #expect(flags() == before)
            try terminal.makeRaw()
        }
        #expect(flags() == before)
    }
}
