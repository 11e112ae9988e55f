// Package pages asks the system for large pages under memory that is read at
// random. It must not import anything of the project's.
package pages
