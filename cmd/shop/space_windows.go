package main

import "golang.org/x/sys/windows"

// freeSpace is how many bytes this user may still write to a directory's file system.
func freeSpace(dir string) (bytes uint64, known bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	if err := windows.GetDiskFreeSpaceEx(name, &bytes, nil, nil); err != nil {
		return 0, false
	}
	return bytes, true
}
