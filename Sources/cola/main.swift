import ArgumentParser
import NIOPosix

print("stub")
